#include "config.h"
#include "image.h"

#include <elf.h>
#include <stdint.h>
#include <string.h>

#if UINTPTR_MAX > UINT32_MAX
typedef Elf64_Ehdr header;
typedef Elf64_Phdr segment;
#else
typedef Elf32_Ehdr header;
typedef Elf32_Phdr segment;
#endif

/* A library is mapped from its header on, which tells where the rest is. */
int image_holds(const void *base, const void *bytes, size_t size) {
  const header *h = base;
  const char *start = base;
  const segment *s;
  if (memcmp(h->e_ident, ELFMAG, SELFMAG) != 0)
    return 0;
  s = (const void *)(start + h->e_phoff);
  for (int i = 0; i < h->e_phnum; i++, s++)
    if (s->p_type == PT_LOAD && (s->p_flags & PF_R) != 0 && (s->p_flags & PF_W) == 0 &&
        memmem(start + s->p_vaddr, s->p_filesz, bytes, size) != NULL)
      return 1;
  return 0;
}
