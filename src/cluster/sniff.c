/* A Kafka response begins with its size: for all that an ApiVersions answer can be, two zero bytes.  Other protocols on
 * the wrong port begin with:
 *
 *      15 03 0x | 16 03 0x      a TLS record: alert, handshake (an alert is what a TLS listener says to a plain request)
 *      "HTTP/"  "<ht" ...       a web server's error page
 *      other printable text     SMTP, SSH, Redis, a greeting of some kind: worth quoting */
#include "cluster/sniff.h"

#define TEXT_BYTES_MIN 4 /* printable bytes that make it text */

static bool is_text(const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!((data[i] >= 0x20 && data[i] < 0x7f) || data[i] == '\r' || data[i] == '\n' || data[i] == '\t'))
            return false;
    return size >= TEXT_BYTES_MIN;
}

bool kci_sniff(const uint8_t *data, size_t size, struct kci_text *text)
{
    if (size >= 2 && (data[0] == 0x15 || data[0] == 0x16) && data[1] == 0x03) {
        kci_text_add(text,
                     "answered with a TLS %s: this is a TLS listener; connect to a PLAINTEXT listener, or set "
                     "security.protocol=SSL (not in this build)",
                     data[0] == 0x15 ? "alert" : "handshake");
        return true;
    }
    if (size >= 4 && memcmp(data, "HTTP", 4) == 0) {
        kci_text_add(text, "answered as a web server (\"");
        kci_text_foreign(text, data, size);
        kci_text_add(text, "\"): the port is not a Kafka listener; check bootstrap.servers and the advertised ports");
        return true;
    }
    if (is_text(data, size)) {
        kci_text_add(text, "answered with text, not with Kafka's protocol (\"");
        kci_text_foreign(text, data, size);
        kci_text_add(text, "\"): check host and port");
        return true;
    }
    return false;
}
