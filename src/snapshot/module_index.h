/* module_index.h - which objects of the script are modules, and which functions belong to one: by address. Made when it is
   first needed, then constant.
   Level 3: frozen, import. */
#ifndef FAST_MAP_MODULE_INDEX_H
#define FAST_MAP_MODULE_INDEX_H

#include "copy.h"

/* [-0, +0, m] The module that is this value of package.loaded, or NULL. */
const struct module *module_index_find(struct copy *c, const void *value);

/* [-0, +0, m] Where in a C module this C function is, or NULL. */
const struct module_function *module_index_function(struct copy *c, const void *function);

/* [-0, +0, m] A module of the C library that keeps this table in the registry, or in a table there; or NULL. */
const struct module *module_index_registered(struct copy *c, const void *table);

/* [-0, +0, -] The next module of the library that is mapped at base, after `last`, which is NULL at first; NULL at the end. */
const struct module *module_index_next(const struct snapshot *s, const void *base, const struct module *last);

/* [-0, +0, -] Where the library is mapped that has the address, when the script has modules of it and somebody has asked for one;
   else NULL. Not for Lua and fast_map. */
const void *module_index_base(const struct snapshot *s, const void *address);

/* [-0, +0, m] Whether an object of the script is a Lua module or a function of
   one: module, or module.name, or module.outer.name; the names last. */
int module_index_name(struct copy *c, const void *value, const char **module, const char **outer,
                      const char **name);

/* The snapshot that the script's own state is filled from, when the script is a task; else NULL. */
struct snapshot *module_index_older(const struct snapshot *s);

#endif
