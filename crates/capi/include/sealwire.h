/*
 * Sealwire: be a device of a consortium, from C or C++.
 *
 * Written by `SEALWIRE_BLESS=1 cargo test --release -p sealwire-capi`; change crates/capi instead.
 * Link with -lsealwire_capi. docs/connect-any-client.md has a whole program.
 *
 *     sealwire_device_t *device;
 *     char *why;
 *     if (sealwire_device_open("/var/lib/press-7", NULL, &device, &why) != SEALWIRE_OK) {
 *         fprintf(stderr, "%s\n", why);
 *         sealwire_string_free(why);
 *         exit(1);
 *     }
 *
 * Memory. A handle or string that comes through an out parameter (a pointer to a pointer) is yours:
 * free it once, by the function that is named, never by free(). A text that is returned belongs to
 * its handle. Strings are UTF-8, end with NUL, and aren't changed by either side. Nothing that you
 * pass is kept after the call. A passed pointer that says 'or NULL' may be NULL; any other NULL gives
 * SEALWIRE_MISUSE. Two out parameters of a call are never the same place. Passing anything that isn't what it should be, a freed handle say, is undefined
 * behaviour, as ever in C.
 *
 * Errors. A function that can fail returns a sealwire_code_t. It sets its last parameter, why, to
 * NULL when it works, or to a sentence that says what is wrong and what to do: yours, to be freed by
 * sealwire_string_free. On failure out parameters for handles are NULL. A defect of the library
 * never unwinds or aborts: it returns SEALWIRE_INTERNAL.
 *
 * Threads. Calls block, up to their timeout. Any handle may be used by many threads at once; free it
 * only when no call uses it any more. To end a wait from another thread, use
 * sealwire_device_disconnect. Each open device has one thread of its own, which runs nothing of
 * yours. After fork() only the parent may use, or free, handles. There are no global variables. Open a
 * home once per process and share the handle.
 *
 * Limits. 256 calls of a device may wait to be sent, then more wait their turn. A gateway
 * sends SEALWIRE_UNTAKEN_MESSAGES_MAX messages that nobody has taken, then it waits. Of an archive
 * one package at a time is in memory, 256 MiB at most.
 */

#ifndef SEALWIRE_H
#define SEALWIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * A timeout that never comes, in milliseconds.
 */
#define SEALWIRE_FOREVER 4294967295

/**
 * Longest life of a token, in seconds.
 */
#define SEALWIRE_TOKEN_LIFE_S_MAX 300

/**
 * Longest topic or filter, in bytes.
 */
#define SEALWIRE_TOPIC_BYTES_MAX 256

/**
 * Longest content type, in bytes.
 */
#define SEALWIRE_CONTENT_TYPE_BYTES_MAX 128

/**
 * Largest payload that a gateway takes unless its operator says otherwise, in bytes.
 */
#define SEALWIRE_PAYLOAD_BYTES_MAX 1048576

/**
 * How much longer than its content a sealed payload is at most, in bytes.
 */
#define SEALWIRE_OVERHEAD_BYTES_MAX 512

/**
 * Messages that a gateway sends before the first of them is taken.
 */
#define SEALWIRE_UNTAKEN_MESSAGES_MAX 128

/**
 * What came of a call. Each function that can fail also gives a sentence.
 */
enum sealwire_code_t
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * It worked.
     */
    SEALWIRE_OK = 0,
    /**
     * The call or one of its arguments isn't what the function takes: correct the program.
     */
    SEALWIRE_MISUSE = 1,
    /**
     * The home directory can't be used: correct its files, the passphrase or peers.json.
     */
    SEALWIRE_HOME = 2,
    /**
     * A gateway or the ledger can't be reached, is busy or isn't that far yet: try again later.
     */
    SEALWIRE_AWAY = 3,
    /**
     * A gateway or the ledger says no: get the right, or another certificate.
     */
    SEALWIRE_REFUSED = 4,
    /**
     * What came isn't proven: a gateway, node or archive that isn't to be believed.
     */
    SEALWIRE_UNTRUSTED = 5,
    /**
     * One message or record can't be opened; others may: go on.
     */
    SEALWIRE_UNREADABLE = 6,
    /**
     * The message is larger than the gateway takes.
     */
    SEALWIRE_TOO_LARGE = 7,
    /**
     * The time was over. Whether the gateway did what was asked isn't known.
     */
    SEALWIRE_TIMEOUT = 8,
    /**
     * There is no session, or it has ended.
     */
    SEALWIRE_ENDED = 9,
    /**
     * The operating system refused, or Sealwire has a defect.
     */
    SEALWIRE_INTERNAL = 10,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum sealwire_code_t sealwire_code_t;
#else
typedef int32_t sealwire_code_t;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A device or user: its home, and its session at a gateway. From any thread.
 */
typedef struct sealwire_device_t sealwire_device_t;

/**
 * A message of a subscription, or a record of an archive. It doesn't change; from any thread.
 */
typedef struct sealwire_message_t sealwire_message_t;

/**
 * Records of a topic in an archive. From any thread; each record goes to one caller.
 */
typedef struct sealwire_records_t sealwire_records_t;

/**
 * Messages that come. From any thread; each message goes to one caller.
 */
typedef struct sealwire_subscription_t sealwire_subscription_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The library's version, as "1.2.3". Not to be freed.
 */
const char *sealwire_version(void);

/**
 * Frees a string that this library gave to be freed. NULL is nothing.
 */
void sealwire_string_free(char *string);

/**
 * Opens the home directory of a device, as `sealwire device enrol` makes it. Reads files, asks
 * nobody.
 *
 * home: its path. passphrase: of its key file, or NULL. device: gets the handle, to be freed by
 * sealwire_device_free. why: NULL, or gets the sentence of an error.
 *
 * Returns SEALWIRE_HOME when it isn't a home or the passphrase is wrong.
 */
sealwire_code_t sealwire_device_open(const char *home,
                                     const char *passphrase,
                                     sealwire_device_t **device,
                                     char **why);

/**
 * Makes a device by an enrolment code: makes its key, has the desk of its organisation issue a certificate
 * for it, checks it against the genesis file and the ledger, makes the home, and opens it. The key never
 * leaves the home. After an error call it again: it goes on with the same key; a home that this code made
 * is opened.
 *
 * home: the directory where the device shall live. code: the enrolment code. desk: as
 * "http://10.0.0.1:7406". genesis: path of the genesis file, which is all that is believed. passphrase: for
 * the key file, or NULL. timeout_ms: longest wait. device: gets the handle, to be freed by
 * sealwire_device_free. why: NULL, or gets the sentence of an error.
 *
 * Returns SEALWIRE_REFUSED for a code that is unknown, used, expired or closed; SEALWIRE_AWAY,
 * SEALWIRE_TIMEOUT; SEALWIRE_UNTRUSTED when what the desk answered isn't proven.
 */
sealwire_code_t sealwire_device_enrol(const char *home,
                                      const char *code,
                                      const char *desk,
                                      const char *genesis,
                                      const char *passphrase,
                                      uint32_t timeout_ms,
                                      sealwire_device_t **device,
                                      char **why);

/**
 * Renews the device's certificate, if it is time: a new key and certificate, on the ledger and in the
 * home; its session goes on. Call it daily.
 *
 * desk: as "http://10.0.0.1:7406", or NULL for the one that the home knows. timeout_ms: longest wait.
 * renewed: NULL, or gets whether there is another certificate now. not_after_s: NULL, or gets when the
 * certificate that counts ends, seconds since 1970. why: NULL, or gets the sentence of an error.
 *
 * Returns SEALWIRE_REFUSED when the certificate has ended, was suspended or revoked; SEALWIRE_AWAY,
 * SEALWIRE_TIMEOUT: call again; SEALWIRE_ENDED when all is done but the session didn't take it over.
 */
sealwire_code_t sealwire_device_renew(const sealwire_device_t *device,
                                      const char *desk,
                                      uint32_t timeout_ms,
                                      bool *renewed,
                                      uint64_t *not_after_s,
                                      char **why);

/**
 * Frees a device. Its subscriptions and records may be freed before or after it; with the last of
 * all, its session ends without a goodbye (sealwire_device_disconnect says one). NULL is nothing.
 */
void sealwire_device_free(sealwire_device_t *device);

/**
 * The device's client id, as "acme.press-7"; lives as long as the handle. NULL for NULL.
 */
const char *sealwire_device_client(const sealwire_device_t *device);

/**
 * Logs in at a gateway by SM2: both sides prove who they are. A connection that is lost later is
 * made again by itself, subscriptions included; meanwhile calls wait.
 *
 * gateway: client id of a gateway in the home's peers.json, or NULL for its first. timeout_ms:
 * longest wait. why: NULL, or gets the sentence of an error.
 *
 * Returns SEALWIRE_AWAY, SEALWIRE_REFUSED, SEALWIRE_UNTRUSTED, SEALWIRE_TIMEOUT; SEALWIRE_MISUSE
 * when it is connected.
 */
sealwire_code_t sealwire_device_connect(const sealwire_device_t *device,
                                        const char *gateway,
                                        uint32_t timeout_ms,
                                        char **why);

/**
 * Whether there is a session; one that is being made again counts.
 */
bool sealwire_device_is_connected(const sealwire_device_t *device);

/**
 * Says goodbye and ends the session, within 3 seconds. Calls that wait in other threads return;
 * what they were publishing may be lost. Does nothing when there is no session.
 *
 * why: NULL, or gets the sentence of an error.
 */
sealwire_code_t sealwire_device_disconnect(const sealwire_device_t *device, char **why);

/**
 * Publishes a message: sealed under the topic's key and signed, or as it is on an open topic.
 * Returns when the gateway has it: at QoS 1 on its disk, at QoS 0 in a buffer of ours.
 *
 * topic: as "acme/press-7/temperature". content_type: as "application/senml+json"; unused on an
 * open topic. content, content_bytes: the message; NULL when content_bytes is 0. qos: 0 or 1.
 * timeout_ms: longest wait. sequence: NULL, or gets the sequence under the signature, 0 on an open
 * topic. why: NULL, or gets the sentence of an error.
 *
 * Returns SEALWIRE_REFUSED without a right or a key, SEALWIRE_TOO_LARGE, SEALWIRE_ENDED without a
 * session, SEALWIRE_AWAY; after SEALWIRE_TIMEOUT the message may arrive all the same.
 */
sealwire_code_t sealwire_device_publish(const sealwire_device_t *device,
                                        const char *topic,
                                        const char *content_type,
                                        const uint8_t *content,
                                        size_t content_bytes,
                                        uint8_t qos,
                                        uint32_t timeout_ms,
                                        uint64_t *sequence,
                                        char **why);

/**
 * Subscribes at QoS 1.
 *
 * filter: a topic, or an MQTT filter that a grant covers. timeout_ms: longest wait. subscription:
 * gets the handle, to be freed by sealwire_subscription_free. why: NULL, or gets the sentence of
 * an error.
 *
 * Returns SEALWIRE_REFUSED without a right, SEALWIRE_ENDED without a session.
 */
sealwire_code_t sealwire_device_subscribe(const sealwire_device_t *device,
                                          const char *filter,
                                          uint32_t timeout_ms,
                                          sealwire_subscription_t **subscription,
                                          char **why);

/**
 * Waits for the next message, opened and its sender's signature checked. It is acknowledged to the
 * gateway by this call, and not before: a program that is slow slows the gateway, and loses
 * nothing.
 *
 * timeout_ms: longest wait; 0 doesn't wait, SEALWIRE_FOREVER waits until there is one. message:
 * gets the message, to be freed by sealwire_message_free. why: NULL, or gets the sentence of an
 * error.
 *
 * Returns SEALWIRE_TIMEOUT when none came. SEALWIRE_UNREADABLE for a message that can't be opened:
 * call again for the next. SEALWIRE_ENDED from then on, when the session or the right has ended.
 */
sealwire_code_t sealwire_subscription_next(const sealwire_subscription_t *subscription,
                                           uint32_t timeout_ms,
                                           sealwire_message_t **message,
                                           char **why);

/**
 * Unsubscribes, and frees. NULL is nothing.
 */
void sealwire_subscription_free(sealwire_subscription_t *subscription);

/**
 * Makes a token: a password for one login of any other MQTT client, whose user name and client id
 * are the device's. Asks nobody.
 *
 * gateway: client id of a gateway in the home's peers.json, or NULL for its first; only there the
 * token is good. life_s: 1 to SEALWIRE_TOKEN_LIFE_S_MAX seconds. token: gets the text, to be freed
 * by sealwire_string_free. why: NULL, or gets the sentence of an error.
 */
sealwire_code_t sealwire_device_token(const sealwire_device_t *device,
                                      const char *gateway,
                                      uint32_t life_s,
                                      char **token,
                                      char **why);

/**
 * The records of a topic in a gateway's archive, oldest first. Asks nobody yet. Needs no session.
 *
 * topic: one topic. gateway: client id of a gateway in the home's peers.json, or NULL for its
 * first. after: 0, or sealwire_message_package_number of the last record that you have. records:
 * gets the handle, to be freed by sealwire_records_free. why: NULL, or gets the sentence of an
 * error.
 */
sealwire_code_t sealwire_device_records(const sealwire_device_t *device,
                                        const char *topic,
                                        const char *gateway,
                                        uint64_t after,
                                        sealwire_records_t **records,
                                        char **why);

/**
 * The next record: its package was checked against the ledger, it is decrypted, its sender's
 * signature checked. The gateway records on the ledger who fetched which package.
 *
 * timeout_ms: longest wait. record: gets the record, to be freed by sealwire_message_free; NULL
 * with SEALWIRE_OK: there are no more that are anchored. why: NULL, or gets the sentence of an
 * error.
 *
 * Returns SEALWIRE_UNTRUSTED when the archive's answer was changed. SEALWIRE_UNREADABLE for a record
 * that can't be opened: call again for the next. After SEALWIRE_AWAY, SEALWIRE_REFUSED and
 * SEALWIRE_TIMEOUT the same record is tried again.
 */
sealwire_code_t sealwire_records_next(const sealwire_records_t *records,
                                      uint32_t timeout_ms,
                                      sealwire_message_t **record,
                                      char **why);

/**
 * Frees. NULL is nothing.
 */
void sealwire_records_free(sealwire_records_t *records);

/**
 * Makes the receipt of a record, which `sealwire receipt verify` and anyone else can verify with
 * genesis alone.
 *
 * package, index: of the record, from sealwire_message_package and sealwire_message_index.
 * gateway: as for sealwire_device_records. timeout_ms: longest wait. receipt, receipt_bytes: get the
 * receipt file, to be freed by sealwire_bytes_free. why: NULL, or gets the sentence of an error.
 */
sealwire_code_t sealwire_device_receipt(const sealwire_device_t *device,
                                        const char *package,
                                        uint64_t index,
                                        const char *gateway,
                                        uint32_t timeout_ms,
                                        uint8_t **receipt,
                                        size_t *receipt_bytes,
                                        char **why);

/**
 * Frees bytes that this library gave to be freed, with the length that it gave. NULL is nothing.
 */
void sealwire_bytes_free(uint8_t *bytes, size_t bytes_length);

/**
 * Frees a message or record, and overwrites its content. NULL is nothing.
 */
void sealwire_message_free(sealwire_message_t *message);

/**
 * Its topic. This and all texts and bytes of a message live as long as the message.
 */
const char *sealwire_message_topic(const sealwire_message_t *message);

/**
 * Who signed it. On an open topic nobody did: NULL for a message, for a record whom the gateway
 * names.
 */
const char *sealwire_message_sender(const sealwire_message_t *message);

/**
 * The sender's count, under its signature; 0 on an open topic. A message that comes twice comes
 * with the same one.
 */
uint64_t sealwire_message_sequence(const sealwire_message_t *message);

/**
 * What the content is, as "application/senml+json"; NULL on an open topic.
 */
const char *sealwire_message_content_type(const sealwire_message_t *message);

/**
 * Its content: sealwire_message_content_bytes bytes, and behind them a NUL that isn't counted.
 */
const uint8_t *sealwire_message_content(const sealwire_message_t *message);

/**
 * Length of its content, in bytes.
 */
size_t sealwire_message_content_bytes(const sealwire_message_t *message);

/**
 * Whether the gateway kept it from before the subscription (MQTT's retained message).
 */
bool sealwire_message_is_retained(const sealwire_message_t *message);

/**
 * Of a record: the id of its package, 64 hexadecimal digits. NULL for a message.
 */
const char *sealwire_message_package(const sealwire_message_t *message);

/**
 * Of a record: the gateway's number of its package, to go on behind it. 0 for a message.
 */
uint64_t sealwire_message_package_number(const sealwire_message_t *message);

/**
 * Of a record: its place in the package, from 0. 0 for a message.
 */
uint64_t sealwire_message_index(const sealwire_message_t *message);

/**
 * Of a record: when the gateway received it, milliseconds since 1970. 0 for a message.
 */
uint64_t sealwire_message_received_ms(const sealwire_message_t *message);

/**
 * Of a record: height of the ledger's block that anchored its package. 0 for a message.
 */
uint64_t sealwire_message_anchored_height(const sealwire_message_t *message);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SEALWIRE_H */
