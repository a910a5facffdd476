/* The one function that plugged-in functions may call on a kc_buffer.  An append that fails is remembered by the writer,
 * so that a function that ignores it is found out. */
#include "cluster/buffer.h"

kc_err kc_buffer_append(kc_buffer *buffer, const void *data, size_t size)
{
    if (!buffer || (!data && size))
        return KC_ERR_ARGUMENT;
    kci_writer_bytes(&buffer->writer, data, size);
    return buffer->writer.failed ? KC_ERR_NO_MEMORY : KC_OK;
}
