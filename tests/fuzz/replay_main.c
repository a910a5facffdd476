/* Runs a harness over files and folders of files, once each, without libFuzzer: what the corpus holds stays fixed. */
#include "fuzz/harness.h"

#include <dirent.h>
#include <sys/stat.h>

#define INPUT_BYTES_MAX ((size_t)4 << 20)

static size_t inputs; /* run so far */

static void run_file(const char *path)
{
    FILE *in = fopen(path, "rb");
    uint8_t *buffer = malloc(INPUT_BYTES_MAX);
    if (!in || !buffer) {
        perror(path);
        exit(1);
    }
    size_t size = fread(buffer, 1, INPUT_BYTES_MAX, in);
    fclose(in);
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees a read beyond the end */
    if (!exact)
        exit(1);
    memcpy(exact, buffer, size);
    free(buffer);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    inputs++;
}

static void run_path(const char *path)
{
    struct stat about;
    if (stat(path, &about) == 0 && !S_ISDIR(about.st_mode)) {
        run_file(path);
        return;
    }
    DIR *folder = opendir(path);
    if (!folder) {
        perror(path);
        exit(1);
    }
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        char inner[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name);
        run_path(inner);
    }
    closedir(folder);
}

int main(int count, char **arguments)
{
    LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
    for (int i = 1; i < count; i++)
        run_path(arguments[i]);
    printf("%zu inputs\n", inputs);
    return inputs ? 0 : 1;
}
