/*
 * A device in C that gets its own certificate by a code, and renews it. The test that compiles this
 * (crates/sealwire/tests/system/identity.rs) has opened the enrolment and allowed renewal at once.
 *
 *     enrol HOME CODE DESK GENESIS           enrols
 *     enrol HOME CODE DESK GENESIS TOPIC     publishes, renews, publishes
 */
#include <sealwire.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WAIT_MS 60000

/* The call must end with this code; its sentence is printed if it doesn't. */
static void expect(sealwire_code_t expected, sealwire_code_t code, char *why, int line)
{
    if (code != expected) {
        fprintf(stderr, "enrol.c:%d: code %d, expected %d: %s\n", line, (int)code, (int)expected,
                why ? why : "no sentence");
        exit(1);
    }
    sealwire_string_free(why);
}

#define EXPECT(expected, call)                      \
    do {                                            \
        char *why = NULL;                           \
        sealwire_code_t code = (call);              \
        expect((expected), code, why, __LINE__);    \
    } while (0)

static void publish(const sealwire_device_t *device, const char *topic)
{
    EXPECT(SEALWIRE_OK, sealwire_device_publish(device, topic, "text/plain", (const uint8_t *)"21.5", 4, 1,
                                                WAIT_MS, NULL, &why));
}

int main(int count, char **arguments)
{
    if (count < 5) {
        return 2;
    }
    const char *home = arguments[1], *code_text = arguments[2], *desk = arguments[3];
    const char *genesis = arguments[4];
    sealwire_device_t *device;
    bool renewed = false;
    uint64_t ends_s = 0, later_s = 0;

    EXPECT(SEALWIRE_MISUSE, sealwire_device_enrol(home, "no code", desk, genesis, NULL, WAIT_MS, &device, &why));
    EXPECT(SEALWIRE_MISUSE, sealwire_device_enrol(home, code_text, desk, "/nowhere", NULL, WAIT_MS, &device, &why));
    EXPECT(SEALWIRE_OK, sealwire_device_enrol(home, code_text, desk, genesis, NULL, WAIT_MS, &device, &why));
    if (count == 5) {
        printf("%s is enrolled\n", sealwire_device_client(device));
        sealwire_device_free(device);
        return 0;
    }

    /* Enrolled by the run before: the same call opened what that had made. */
    const char *topic = arguments[5];
    EXPECT(SEALWIRE_OK, sealwire_device_connect(device, NULL, WAIT_MS, &why));
    publish(device, topic);
    /* The next certificate must end in a later second. */
    time_t begun = time(NULL);
    while (time(NULL) < begun + 2) {
    }
    EXPECT(SEALWIRE_OK, sealwire_device_renew(device, NULL, WAIT_MS, &renewed, &ends_s, &why));
    if (!renewed) {
        fprintf(stderr, "not renewed\n");
        return 1;
    }
    publish(device, topic);
    sealwire_device_free(device);
    EXPECT(SEALWIRE_OK, sealwire_device_open(home, NULL, &device, &why));
    EXPECT(SEALWIRE_OK, sealwire_device_connect(device, NULL, WAIT_MS, &why));
    publish(device, topic);
    EXPECT(SEALWIRE_OK, sealwire_device_disconnect(device, &why));
    begun = time(NULL);
    while (time(NULL) < begun + 2) {
    }
    EXPECT(SEALWIRE_OK, sealwire_device_renew(device, desk, WAIT_MS, NULL, &later_s, &why));
    printf("%s renewed itself, until %s\n", sealwire_device_client(device), later_s > ends_s ? "later" : "as before");
    sealwire_device_free(device);
    return 0;
}
