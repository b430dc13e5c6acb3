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
static const segment *segments(const void *base, int *count) {
  const header *h = base;
  *count = memcmp(h->e_ident, ELFMAG, SELFMAG) == 0 ? h->e_phnum : 0;
  return (const void *)((const char *)base + h->e_phoff);
}

/* Not memmem, which AddressSanitizer watches: it puts gaps between the literals of a library. */
__attribute__((no_sanitize("address"))) static int find(const char *in, size_t room, const char *bytes,
                                                        size_t size) {
  for (size_t i = 0; i + size <= room; i++) {
    size_t k = 0;
    while (k < size && in[i + k] == bytes[k])
      k++;
    if (k == size)
      return 1;
  }
  return 0;
}

int image_holds(const void *base, const void *bytes, size_t size) {
  int count;
  const segment *s = segments(base, &count);
  for (; count > 0; count--, s++)
    if (s->p_type == PT_LOAD && (s->p_flags & PF_R) != 0 && (s->p_flags & PF_W) == 0 &&
        find((const char *)base + s->p_vaddr, s->p_filesz, bytes, size))
      return 1;
  return 0;
}

int image_spans(const void *base, const void *address) {
  uintptr_t offset = (uintptr_t)address - (uintptr_t)base;
  int count;
  const segment *s = segments(base, &count);
  for (; count > 0; count--, s++)
    if (s->p_type == PT_LOAD && offset >= s->p_vaddr && offset < s->p_vaddr + s->p_memsz)
      return 1;
  return 0;
}
