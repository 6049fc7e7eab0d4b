/* SPDX-License-Identifier: Apache-2.0 */

/*
 * kinesis_simulator_settings - what a test changes while the service runs:
 *
 *     POST /settings
 *     {"clock_offset_s":3600,"delay_ms":20,"enforce_rate":true,
 *      "access_key":"ID","secret_key":"TEXT","session_token":"TEXT"}
 *
 * A member that is left out stays as it is. Other credentials are accepted
 * from now on, and the old ones refused; an empty session token is none.
 */

#include <math.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "tests/support/kinesis_simulator.h"
#include "tests/support/kinesis_simulator_document.h"

static bool read_time(const cJSON *document, const char *name, double unit,
                      int64_t *ns)
{
    double number;

    if (!cJSON_HasObjectItem(document, name))
        return true;
    if (!simulator_document_number(document, name, &number) ||
        !(fabs(number * unit) < 9e18))
        return false;
    *ns = (int64_t)(number * unit);
    return true;
}

/* Copies into `memory`, which stays, and points the verifier at it. */
static void read_text(const cJSON *document, const char *name, char *memory,
                      size_t room, const char **place)
{
    const char *text = simulator_document_text(document, name);

    if (!text)
        return;
    snprintf(memory, room, "%s", text);
    *place = memory;
}

static void read_credentials(struct simulator *simulator, const cJSON *document)
{
    struct simulator_verifier *verifier = &simulator->verifier;

    read_text(document, "access_key", simulator->access_key,
              sizeof(simulator->access_key), &verifier->access_key);
    read_text(document, "secret_key", simulator->secret_key,
              sizeof(simulator->secret_key), &verifier->secret_key);
    read_text(document, "session_token", simulator->session_token,
              sizeof(simulator->session_token), &verifier->session_token);
    if (verifier->session_token && !verifier->session_token[0])
        verifier->session_token = NULL;
    verifier->scope[0] = '\0'; /* the signing key is that of the old secret */
}

bool simulator_change_settings(struct simulator *simulator, struct bytes text)
{
    struct simulator_settings *settings = &simulator->settings;
    cJSON *document =
        cJSON_ParseWithLength((const char *)text.data, text.length);
    const cJSON *enforces = cJSON_GetObjectItem(document, "enforce_rate");
    bool is_right =
        cJSON_IsObject(document) &&
        read_time(document, "clock_offset_s", (double)NS_PER_SECOND,
                  &settings->clock_offset_ns) &&
        read_time(document, "delay_ms", (double)NS_PER_MS, &settings->delay_ns);

    if (is_right && cJSON_IsBool(enforces))
        settings->enforces_rate = cJSON_IsTrue(enforces);
    if (is_right)
        read_credentials(simulator, document);
    cJSON_Delete(document);
    return is_right;
}
