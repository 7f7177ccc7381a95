/*
 * A device and a reader in C, at a real gateway on a real ledger. The test that compiles this
 * (crates/sealwire/tests/system/bindings.rs) has enrolled both and granted the reader's right.
 *
 *     device DEVICE_HOME READER_HOME READER_GATEWAY TOPIC MESSAGES RECEIPT_FILE
 */
#include <sealwire.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_MS 60000
#define CHECK(holds) check((holds) != 0, #holds, __LINE__)

static void check(int holds, const char *what, int line)
{
    if (!holds) {
        fprintf(stderr, "device.c:%d: %s doesn't hold\n", line, what);
        exit(1);
    }
}

/* The call must end with this code; its sentence is printed if it doesn't. */
static void expect(sealwire_code_t expected, sealwire_code_t code, char *why, int line)
{
    if (code != expected) {
        fprintf(stderr, "device.c:%d: code %d, expected %d: %s\n", line, (int)code, (int)expected,
                why ? why : "no sentence");
        exit(1);
    }
    check((why != NULL) == (code != SEALWIRE_OK), "a sentence comes with every error", line);
    sealwire_string_free(why);
}

#define EXPECT(expected, call)                      \
    do {                                            \
        char *why = NULL;                           \
        sealwire_code_t code = (call);              \
        expect((expected), code, why, __LINE__);    \
    } while (0)

static sealwire_device_t *connected(const char *home, const char *gateway)
{
    sealwire_device_t *device;
    EXPECT(SEALWIRE_OK, sealwire_device_open(home, NULL, &device, &why));
    EXPECT(SEALWIRE_OK, sealwire_device_connect(device, gateway, WAIT_MS, &why));
    CHECK(sealwire_device_is_connected(device));
    EXPECT(SEALWIRE_MISUSE, sealwire_device_connect(device, gateway, WAIT_MS, &why));
    return device;
}

static uint64_t publish(const sealwire_device_t *device, const char *topic, int number)
{
    char content[32];
    uint64_t sequence = 0;
    int length = snprintf(content, sizeof content, "reading %d", number);
    EXPECT(SEALWIRE_OK,
           sealwire_device_publish(device, topic, "text/plain", (const uint8_t *)content,
                                   (size_t)length, 1, WAIT_MS, &sequence, &why));
    CHECK(sequence > 0);
    return sequence;
}

static void must_be(const sealwire_message_t *message, const char *topic, const char *sender,
                    int number)
{
    char content[32];
    int length = snprintf(content, sizeof content, "reading %d", number);
    CHECK(sealwire_message_content_bytes(message) == (size_t)length);
    CHECK(strcmp((const char *)sealwire_message_content(message), content) == 0);
    CHECK(strcmp(sealwire_message_topic(message), topic) == 0);
    CHECK(strcmp(sealwire_message_sender(message), sender) == 0);
    CHECK(strcmp(sealwire_message_content_type(message), "text/plain") == 0);
    CHECK(!sealwire_message_is_retained(message));
}

/* As in a program that does something else most of the time: it never waits. */
static sealwire_message_t *poll(const sealwire_subscription_t *subscription)
{
    time_t begin = time(NULL);
    sealwire_message_t *message;
    sealwire_code_t code;
    do {
        CHECK(time(NULL) - begin < WAIT_MS / 1000);
        code = sealwire_subscription_next(subscription, 0, &message, NULL);
    } while (code == SEALWIRE_TIMEOUT);
    CHECK(code == SEALWIRE_OK);
    return message;
}

/* Fetches all records; says how many. The receipt of the first goes to a file. */
static int fetch(const sealwire_device_t *reader, const char *gateway, const char *topic,
                 const char *sender, const char *file)
{
    sealwire_records_t *records;
    int count = 0;
    EXPECT(SEALWIRE_OK, sealwire_device_records(reader, topic, gateway, 0, &records, &why));
    for (;;) {
        sealwire_message_t *record;
        EXPECT(SEALWIRE_OK, sealwire_records_next(records, WAIT_MS, &record, &why));
        if (record == NULL) {
            break;
        }
        must_be(record, topic, sender, count);
        CHECK(sealwire_message_anchored_height(record) > 0);
        CHECK(sealwire_message_received_ms(record) > 1600000000000);
        CHECK(sealwire_message_package_number(record) > 0);
        if (count == 0) {
            uint8_t *receipt;
            size_t length;
            FILE *out = fopen(file, "wb");
            CHECK(out != NULL);
            EXPECT(SEALWIRE_OK,
                   sealwire_device_receipt(reader, sealwire_message_package(record),
                                           sealwire_message_index(record), gateway, WAIT_MS,
                                           &receipt, &length, &why));
            CHECK(fwrite(receipt, 1, length, out) == length && fclose(out) == 0);
            sealwire_bytes_free(receipt, length);
        }
        sealwire_message_free(record);
        count++;
    }
    sealwire_records_free(records);
    return count;
}

int main(int argc, char **argv)
{
    CHECK(argc == 7 && strchr(sealwire_version(), '.') != NULL);
    const char *gateway = argv[3], *topic = argv[4], *file = argv[6];
    int messages = atoi(argv[5]), i;
    char *token;
    sealwire_subscription_t *subscription, *none;
    sealwire_message_t *message;
    sealwire_device_t *device = connected(argv[1], gateway);
    sealwire_device_t *reader = connected(argv[2], gateway);
    const char *sender = sealwire_device_client(device);

    EXPECT(SEALWIRE_OK,
           sealwire_device_subscribe(reader, topic, WAIT_MS, &subscription, &why));
    EXPECT(SEALWIRE_TIMEOUT, sealwire_subscription_next(subscription, 0, &message, &why));
    CHECK(message == NULL);
    for (i = 0; i < messages; i++) {
        uint64_t sequence = publish(device, topic, i);
        if (i == 0) { /* the reader has no key yet: it asks the ledger */
            message = poll(subscription);
        } else {
            EXPECT(SEALWIRE_OK,
                   sealwire_subscription_next(subscription, WAIT_MS, &message, &why));
        }
        must_be(message, topic, sender, i);
        CHECK(sealwire_message_sequence(message) == sequence);
        CHECK(sealwire_message_package(message) == NULL);
        sealwire_message_free(message);
    }

    /* The reader has no right to publish, and nobody to a topic that isn't there. */
    EXPECT(SEALWIRE_REFUSED,
           sealwire_device_publish(reader, topic, "text/plain", (const uint8_t *)"x", 1, 1, WAIT_MS,
                                   NULL, &why));
    EXPECT(SEALWIRE_REFUSED,
           sealwire_device_subscribe(reader, "nobody/knows/this", WAIT_MS, &none, &why));
    CHECK(none == NULL);

    /* What another MQTT client would log in with. */
    EXPECT(SEALWIRE_OK, sealwire_device_token(reader, gateway, 60, &token, &why));
    CHECK(strlen(token) > 100);
    sealwire_string_free(token);

    /* An archive closes a package after some seconds, and its anchor takes a block. */
    for (i = 0; fetch(reader, gateway, topic, sender, file) < messages; i++) {
        CHECK(i < 120);
        EXPECT(SEALWIRE_TIMEOUT, sealwire_subscription_next(subscription, 500, &message, &why));
    }

    EXPECT(SEALWIRE_OK, sealwire_device_disconnect(device, &why));
    CHECK(!sealwire_device_is_connected(device));
    EXPECT(SEALWIRE_ENDED,
           sealwire_device_publish(device, topic, "text/plain", NULL, 0, 1, WAIT_MS, NULL, &why));
    EXPECT(SEALWIRE_OK, sealwire_device_disconnect(reader, &why));
    EXPECT(SEALWIRE_ENDED,
           sealwire_subscription_next(subscription, SEALWIRE_FOREVER, &message, &why));
    sealwire_subscription_free(subscription);
    sealwire_device_free(reader);
    sealwire_device_free(device);
    printf("%d messages of %s\n", messages, topic);
    return 0;
}
