/* Shared libraries that are found while the program runs: first next to the file that holds this code (libkclient, or
 * the program that it was linked into), then wherever the loader looks (LD_LIBRARY_PATH, RPATH, the system's folders).
 *
 * What was loaded stays loaded: its threads and fork handlers may outlive the last handle.  A program without a loader
 * (linked with -static) is refused: glibc would load a second C library into it. */
#define _GNU_SOURCE /* dladdr, dl_iterate_phdr */
#include "runtime/runtime.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#ifdef __APPLE__
static bool has_loader(void)
{
    return true;
}
#else
#include <link.h>

/* Of the program itself, which comes first: does it name a loader? */
static int look_for_loader(struct dl_phdr_info *program, size_t size, void *found)
{
    (void)size;
    for (int i = 0; i < program->dlpi_phnum; i++)
        *(bool *)found |= program->dlpi_phdr[i].p_type == PT_INTERP;
    return 1;
}

static bool has_loader(void)
{
    bool found = false;
    dl_iterate_phdr(look_for_loader, &found);
    return found;
}
#endif

/* "/folder/of/this/code/name"; false: the folder is not known. */
static bool beside_us(const char *name, char *path, size_t size)
{
    static const char here; /* any address within this code's file */
    Dl_info info;
    const char *slash = dladdr(&here, &info) && info.dli_fname ? strrchr(info.dli_fname, '/') : NULL;
    if (!slash)
        return false;
    int written = snprintf(path, size, "%.*s/%s", (int)(slash - info.dli_fname), info.dli_fname, name);
    return written > 0 && (size_t)written < size;
}

void *kci_library_open(const char *name, char *why, size_t why_size)
{
    char path[PATH_MAX];
    void *library = NULL;
    if (!has_loader()) {
        snprintf(why, why_size, "this program was linked without a loader of shared libraries (-static)");
        return NULL;
    }
    if (beside_us(name, path, sizeof path))
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const char *said = library ? NULL : dlerror();
    if (!library)
        snprintf(why, why_size, "%s", said ? said : "the loader does not say why");
    return library;
}

void *kci_library_symbol(void *library, const char *name)
{
    return dlsym(library, name);
}
