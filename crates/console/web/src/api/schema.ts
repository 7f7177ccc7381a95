// Written by `npm run types` from docs/console-openapi.json: don't edit.

export interface paths {
    "/api/actions/authorisations/create": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes an authorisation key: rights for whoever holds its text. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CreateAuthorisation"];
                };
            };
            responses: {
                /** @description The key, shown once */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Authorised"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/authorisations/redeem": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Redeems an authorisation key. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RedeemAuthorisation"];
                };
            };
            responses: {
                /** @description The rights it gave */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Redeemed"];
                    };
                };
                /** @description Not an authorisation key */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The client's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/authorisations/withdraw": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Withdraws an authorisation key: nobody redeems it any more. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["WithdrawAuthorisation"];
                };
            };
            responses: {
                /** @description Withdrawn */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description No such key */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/certificate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Revokes, suspends or resumes a client's present certificate. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["ChangeCertificate"];
                };
            };
            responses: {
                /** @description In force from that block on */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description No such client */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The operator's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/compute/ask": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a gateway for a computation. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AskCompute"];
                };
            };
            responses: {
                /** @description The gateway has it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["AskedCompute"];
                    };
                };
                /** @description What can't be computed is refused with the numbers */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session, or the client, may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The client's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/compute/standing": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Sets a standing job up at a gateway. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["SetStanding"];
                };
            };
            responses: {
                /** @description It is on the gateway's disk */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["StandingAt"];
                    };
                };
                /** @description What can't be computed is refused with the numbers */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session, or the client, may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The client's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/compute/standing/end": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Ends a standing job; results that there are stay. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["StandingAt"];
                };
            };
            responses: {
                /** @description It is ended */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["StandingAt"];
                    };
                };
                /** @description No such standing job of this client's */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The client's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/enrol": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a client's key in the console's home, issues its certificate and registers it. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["EnrolClient"];
                };
            };
            responses: {
                /** @description Enrolled */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["EnrolledClient"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description It is enrolled already, or a key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/enrolments/close": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Closes enrolments that weren't used. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["CloseEnrolments"];
                };
            };
            responses: {
                /** @description Closed */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The operator's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/enrolments/open": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Opens enrolments: each gives one certificate to whoever has its code. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["OpenEnrolments"];
                };
            };
            responses: {
                /** @description Open, with their codes; where the ledger went away half-way, those that are */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["OpenedEnrolments"];
                    };
                };
                /** @description A bad line, or more than 10,000 */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The operator's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/token": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Makes a login token for a client whose key is here: user name and password for one MQTT login. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["MintToken"];
                };
            };
            responses: {
                /** @description The token */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Minted"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The client's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/approve": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Grants what was asked for, on the terms asked for. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AnswerRequest"];
                };
            };
            responses: {
                /** @description Granted */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description There is no open request of that client for that topic */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/close": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Closes a topic for ever; its records stay readable. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["OwnTopic"];
                };
            };
            responses: {
                /** @description It is closed */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/deny": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Says no to a request. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["AnswerRequest"];
                };
            };
            responses: {
                /** @description Denied */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/grant": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a client rights on a topic or filter. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Grant"];
                };
            };
            responses: {
                /** @description Granted */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/register": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Registers a topic. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RegisterTopic"];
                };
            };
            responses: {
                /** @description Registered */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/request": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Asks a topic's owner for a right. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["RequestRights"];
                };
            };
            responses: {
                /** @description Asked */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/revoke": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Takes a client's rights on a topic or filter away; a sealed topic gets another key. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["Revoke"];
                };
            };
            responses: {
                /** @description Revoked: sessions end, messages are withheld from that block on */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actions/topics/rotate": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a topic another key, for all who have a right. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["OwnTopic"];
                };
            };
            responses: {
                /** @description It has another key */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Done"];
                    };
                };
                /** @description This session may not */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The owner's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger refused */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/actors": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** As whom this session can act. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Clients whose keys are here and for whom this session may act */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Actors"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/audit/export": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The connection events that match, as a file. */
        get: {
            parameters: {
                query: {
                    /** @description `csv` or `jsonl`. */
                    format: "csv" | "jsonl";
                    /** @description About this client. */
                    client?: string | null;
                    /** @description Seen by this gateway. */
                    gateway?: string | null;
                    /** @description Of this kind, for instance `connect-refused`. */
                    kind?: string | null;
                    /** @description From this address, as the gateway wrote it. */
                    address?: string | null;
                    /** @description At this time or later, Unix milliseconds. */
                    from_ms?: number | null;
                    /** @description At this time or earlier, Unix milliseconds. */
                    to_ms?: number | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description All that match, as a file */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/csv": string;
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/blocks": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Blocks, the highest first. */
        get: {
            parameters: {
                query?: {
                    /** @description The highest one; the last one when left out. */
                    from?: number | null;
                    /** @description How many; at most 100, 25 when left out. */
                    limit?: number | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Blocks, the highest first */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["BlockPage"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/blocks/{height}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A block with its transactions. */
        get: {
            parameters: {
                query?: {
                    /** @description From this index on; 0 when left out. */
                    from?: number | null;
                    /** @description How many; at most 200, 200 when left out. */
                    limit?: number | null;
                };
                header?: never;
                path: {
                    /** @description Height, from 1 */
                    height: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The block and its transactions */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Block"];
                    };
                };
                /** @description No such block yet */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/compute/jobs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Jobs and standing jobs of a client, at every gateway that it knows. */
        get: {
            parameters: {
                query: {
                    /** @description The client that asked for them, whose key is here. */
                    as: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description By gateway; one that is away says so */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["ComputeJobs"];
                    };
                };
                /** @description This session may not act as the client */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The client's key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/compute/jobs/{gateway}/{job}/receipt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The receipt of a job's result, verified before it is given. */
        get: {
            parameters: {
                query: {
                    /** @description The client that asked for them, whose key is here. */
                    as: string;
                };
                header?: never;
                path: {
                    /** @description At which gateway */
                    gateway: string;
                    /** @description Job id, hexadecimal */
                    job: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description CBOR of the result receipt, as `sealwire compute receipt` writes it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/cbor": number[];
                    };
                };
                /** @description No such job of this client's, or no result */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The receipt doesn't hold */
                502: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/compute/jobs/{gateway}/{job}/result": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A job's encrypted result, checked against the ledger. */
        get: {
            parameters: {
                query: {
                    /** @description The client that asked for them, whose key is here. */
                    as: string;
                };
                header?: never;
                path: {
                    /** @description At which gateway */
                    gateway: string;
                    /** @description Job id, hexadecimal */
                    job: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description CBOR of the evaluation and its ciphertexts, as `sealwire compute result` writes it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/cbor": number[];
                    };
                };
                /** @description No such job of this client's, or no result */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The gateway's result isn't the ledger's */
                502: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/devices": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Clients of all organisations. */
        get: {
            parameters: {
                query?: {
                    /** @description Part of the id. */
                    search?: string | null;
                    /** @description Of this organisation. */
                    org?: string | null;
                    /** @description In this role: `operator`, `gateway`, `device` or `user`. */
                    role?: string | null;
                    /** @description Certificate `live`, `not-yet-valid`, `expired`, `revoked` or `suspended`. */
                    status?: string | null;
                    /** @description Connected or not. */
                    online?: boolean | null;
                    /** @description How they are sorted; by name when left out. */
                    sort?: "name" | "expires" | "registered" | "seen";
                    /** @description Where to go on: `next` of the page before. */
                    cursor?: string | null;
                    /** @description How many; at most 500, 100 when left out. */
                    limit?: number | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description A page of clients */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DevicePage"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/devices/{client}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A client: certificate, connection, topics. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Client id, `organisation.name` */
                    client: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The client */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["DeviceView"];
                    };
                };
                /** @description No such client */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/explain": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Decides as a gateway would, over proven entries, and says why. */
        get: {
            parameters: {
                query: {
                    /** @description Who. */
                    client: string;
                    /** @description `connect`, `publish`, `subscribe`, `read`, `compute` or `verify`. */
                    action: string;
                    /** @description Topic name, or filter for `subscribe`; none for `connect`. */
                    topic?: string | null;
                    /** @description At which height; the last one when left out. */
                    at?: number | null;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Whether the client may, and why */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Explanation"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/genesis": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The genesis, and its digest to pin. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The genesis file and its digest */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["GenesisView"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/ledger/v1/transactions": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Hands in a transaction that the browser signed itself: what it may, the ledger decides by its signature. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            /** @description A signed transaction */
            requestBody: {
                content: {
                    "application/cbor": number[];
                };
            };
            responses: {
                /** @description It waits for a block */
                202: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": Record<string, never>;
                    };
                };
                /** @description It would be refused, or is wrongly signed */
                422: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/mqtt": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** MQTT over WebSocket at the organisation's gateway. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description MQTT over WebSocket, subprotocol `mqtt` */
                101: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content?: never;
                };
                /** @description Not a WebSocket handshake */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The gateway is away, has no such port, or too many are connected */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/overview": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the consortium is. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description All services, the newest sample, alerts */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["OverviewView"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/overview/history": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** How the consortium was. */
        get: {
            parameters: {
                query?: {
                    /** @description `minutes`: the last ten, a sample a second (the default); `day`: a sample a minute. */
                    span?: "minutes" | "day";
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Samples, the oldest first */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["History"];
                    };
                };
                /** @description Bad argument */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/receipt/{package}/{index}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** The receipt of one message. */
        get: {
            parameters: {
                query?: {
                    /**
                     * @description A client with the right to read or verify, whose key is here. When left out: who is signed in, or the
                     *     topic's owner, whichever key is here.
                     */
                    as?: string | null;
                };
                header?: never;
                path: {
                    /** @description Package id, hexadecimal */
                    package: string;
                    /** @description Which message, counted from 0 */
                    index: number;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description CBOR of the receipt, as `sealwire receipt export` writes it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/cbor": number[];
                    };
                };
                /** @description This session may not, or the client has no right */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description No such package or message, or not anchored */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The key isn't here */
                409: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The gateway or the ledger is away */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/search": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Finds what has this height, digest, id or name. */
        get: {
            parameters: {
                query: {
                    /** @description A height, a digest, an id, a client, a topic, or the beginning or a part of a client's id. */
                    q: string;
                };
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description What was found, the best first */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Hits"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Who is signed in, and at which console. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Who is signed in, and at which console */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionView"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        /** Signs out. */
        delete: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Nobody is signed in */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionView"];
                    };
                };
            };
        };
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session/challenge": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Gives a challenge for a sign-in by key. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description A challenge, good once and for a minute */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Challenge"];
                    };
                };
                /** @description Too many attempts from this address */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session/key": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Signs in by an SM2 key. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["KeySignIn"];
                };
            };
            responses: {
                /** @description Signed in: a cookie is set */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionView"];
                    };
                };
                /** @description Not a certificate id, nonce or signature */
                400: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description Wrong signature, challenge used or too old, certificate not live */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description Too many attempts from this address */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger is away, or too many sessions */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/session/link": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /** Signs in by a one-time link. */
        post: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody: {
                content: {
                    "application/json": components["schemas"]["LinkToken"];
                };
            };
            responses: {
                /** @description Signed in: a cookie is set */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["SessionView"];
                    };
                };
                /** @description No such link, used, or too old */
                403: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description Too many attempts from this address */
                429: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
                /** @description The ledger is away, or too many sessions */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** Tells what happens, as it happens. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path?: never;
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description Server-sent events: `overview` (Sample), `block` (Block), `connection` (EventView), `missed` */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "text/event-stream": string;
                    };
                };
                /** @description Too many listeners */
                503: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/transactions/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /** A transaction. */
        get: {
            parameters: {
                query?: never;
                header?: never;
                path: {
                    /** @description Transaction id, hexadecimal */
                    id: string;
                };
                cookie?: never;
            };
            requestBody?: never;
            responses: {
                /** @description The transaction, what it asked and what became of it */
                200: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["TransactionView"];
                    };
                };
                /** @description Not in a block */
                404: {
                    headers: {
                        [name: string]: unknown;
                    };
                    content: {
                        "application/json": components["schemas"]["Problem"];
                    };
                };
            };
        };
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /** @description A client as whom this session can act. */
        ActorView: {
            /** @description Its id. */
            client: string;
        };
        /** @description As whom this session can act: those whose keys are here and for whom it may. */
        Actors: {
            /** @description By id. */
            actors: components["schemas"]["ActorView"][];
        };
        /**
         * @description Whom a session may act for.
         * @enum {string}
         */
        ActsFor: "organisation" | "itself" | "nobody";
        /** @description Something to worry about. */
        Alert: {
            /** @description What is wrong. */
            kind: components["schemas"]["AlertKind"];
            /** @description Whose service it is about; empty: of the whole. */
            org: string;
            /** @description What happened and what to do. */
            reason: string;
            /** @description How bad it is. */
            severity: components["schemas"]["Severity"];
            /**
             * Format: int64
             * @description Since when, milliseconds since 1970.
             */
            since_ms: number;
            /** @description The numbers behind it, by name. */
            values: {
                [key: string]: number;
            };
        };
        /**
         * @description What is wrong.
         * @enum {string}
         */
        AlertKind: "ledger-stands-still" | "no-fault-left" | "feed-away" | "node-away" | "gateway-away" | "node-behind" | "node-doesnt-vote" | "gateway-stale" | "outbox-grows" | "logins-refused" | "locked-out" | "certificates-expire";
        /** @description An answer to a request. */
        AnswerRequest: {
            /** @description As whom; by default the topic's owner. */
            as?: string | null;
            /** @description A word to who asked. */
            note?: string | null;
            /** @description By whom it was made. */
            to: string;
            /** @description For which topic or filter it was made. */
            topic: string;
        };
        /** @description A computation that is asked for. */
        AskCompute: {
            /** @description As whom: a client with the right `compute` on every topic, whose key is here. */
            as: string;
            /**
             * Format: int64
             * @description Readings received not before, milliseconds since 1970; the first of all when left out.
             */
            from_ms?: number | null;
            /** @description At which gateway; the first that the client knows when left out. */
            gateway?: string | null;
            /**
             * Format: int64
             * @description Readings received before, milliseconds since 1970; now when left out.
             */
            to_ms?: number | null;
            /** @description What. */
            what: components["schemas"]["ComputeWhat"];
        };
        /** @description A job that the gateway has taken on: it is on the gateway's disk. */
        AskedCompute: {
            /** @description As whom. */
            by: string;
            /** @description Which gateway. */
            gateway: string;
            /** @description The job, hexadecimal. */
            job: string;
        };
        /** @description An authorisation key. It isn't shown again: whoever has it may redeem it. */
        Authorised: components["schemas"]["Done"] & {
            /** @description Its id, to withdraw it, hexadecimal. */
            id: string;
            /** @description The key's text, `SWA-…`. */
            key: string;
            /** @description The same as a QR code: an SVG document. */
            qr_svg: string;
            /**
             * Format: int64
             * @description Until when, seconds since 1970.
             */
            redeem_until_s: number;
            /**
             * Format: int32
             * @description How many clients may redeem it.
             */
            uses: number;
        };
        /** @description A block with its transactions. */
        Block: components["schemas"]["BlockRow"] & {
            /**
             * Format: int64
             * @description During which validator set.
             */
            epoch: number;
            /** @description Index of the first one given. */
            from: number;
            /** @description Its transactions, from index `from`. */
            items: components["schemas"]["TransactionView"][];
            /** @description Index to go on from; null at the end. */
            next?: number | null;
            /** @description Digest of the parent's header, hexadecimal. */
            parent: string;
            /** @description The organisations whose validators signed it; null where a later block's certificate covers it. */
            signed_by?: string[] | null;
            /** @description Root of the state after it, hexadecimal. */
            state_root: string;
            /** @description Merkle root over its transactions, hexadecimal. */
            transactions_root: string;
            /**
             * Format: int64
             * @description The consensus view in which it was proposed.
             */
            view: number;
        };
        /** @description A page of blocks, the highest first. */
        BlockPage: {
            /**
             * Format: int64
             * @description The last final height.
             */
            height: number;
            /** @description The blocks. */
            items: components["schemas"]["BlockRow"][];
            /**
             * Format: int64
             * @description Height to go on from; null at the first block.
             */
            next?: number | null;
        };
        /** @description A line of the list of blocks. */
        BlockRow: {
            /** @description Bytes of the block. */
            bytes: number;
            /** @description How many of each kind of call. */
            calls: {
                [key: string]: number;
            };
            /** @description SM3 of the header, hexadecimal. */
            digest: string;
            /**
             * Format: int64
             * @description Distance from genesis.
             */
            height: number;
            /** @description The organisation whose validator proposed it; null: none of genesis. */
            proposer?: string | null;
            /** @description How many of them had no effect; null where that wasn't looked up. */
            refused?: number | null;
            /**
             * Format: int64
             * @description The proposer's clock, milliseconds since 1970.
             */
            time_ms: number;
            /** @description How many transactions. */
            transactions: number;
        };
        /**
         * @description How somebody signed in.
         * @enum {string}
         */
        By: "link" | "key";
        /** @description What a browser signs to sign in. */
        Challenge: {
            /** @description The ledger to be named, hexadecimal. */
            chain: string;
            /**
             * Format: int64
             * @description Until when it is good, milliseconds since 1970.
             */
            expires_ms: number;
            /** @description 32 bytes, hexadecimal. */
            nonce: string;
            /** @description The origin to be named in what is signed. */
            origin: string;
        };
        /**
         * @description What shall become of a certificate.
         * @enum {string}
         */
        Change: "revoke" | "suspend" | "resume";
        /** @description A change of a client's present certificate. */
        ChangeCertificate: {
            /** @description What. */
            change: components["schemas"]["Change"];
            /** @description Whose. */
            client: string;
            /** @description Why, for people; at most 256 bytes. */
            reason?: string;
        };
        /** @description Enrolments to be closed. */
        CloseEnrolments: {
            /** @description Their ids, hexadecimal; at most 256. */
            ids: string[];
        };
        /** @description What a client asked of the gateways that it knows. */
        ComputeJobs: {
            /** @description In the order of the client's `peers.json`. */
            gateways: components["schemas"]["GatewayJobs"][];
        };
        /** @description What is to be computed. */
        ComputeWhat: {
            /** @description `weighted-sum`, `linear`: what is added in the end, decimal. */
            constant?: string | null;
            /**
             * @description `sum`, `mean`, `weighted-sum`, `linear`, `variance`, `deviation`, `dot`, `count-over`, `histogram` or
             *     `range`.
             */
            function: string;
            /** @description Under which compute key, hexadecimal. */
            key: string;
            /** @description `count-over`: above which number, decimal. */
            threshold?: string | null;
            /** @description Over the readings of these topics. */
            topics: string[];
            /** @description `weighted-sum`, `linear`: one for each topic, in their order, decimal. */
            weights?: string[];
        };
        /** @description What this console is. */
        ConsoleView: {
            /** @description The ledger's id: the genesis digest, hexadecimal. */
            chain: string;
            /** @description The consortium's name. */
            consortium: string;
            /** @description Header that requests which change something carry. */
            header: string;
            /** @description Whether there is MQTT over WebSocket at `/api/mqtt`. */
            mqtt: boolean;
            /**
             * Format: int64
             * @description The server's clock, milliseconds since 1970.
             */
            now_ms: number;
            /** @description Whose. */
            org: string;
            /** @description The consortium's organisations. */
            organisations: string[];
            /** @description By which origin this request came: what a sign-in by key names. */
            origin: string;
            /** @description This version of the program. */
            version: string;
        };
        /** @description An authorisation key to be made. */
        CreateAuthorisation: components["schemas"]["Terms"] & {
            /** @description As whom; by default the topic's owner. */
            as?: string | null;
            /**
             * Format: int64
             * @description How long it may be redeemed, in seconds; 30 days when left out.
             */
            redeem_within_s?: number | null;
            /** @description On which topic, or filter within the owner's prefix. */
            topic: string;
            /**
             * Format: int32
             * @description How many clients may redeem it: 1 (when left out) to 256.
             */
            uses?: number | null;
        };
        /** @description A page of clients. */
        DevicePage: {
            /** @description Whether all clients were read; false soon after the start. */
            complete: boolean;
            /** @description The clients. */
            items: components["schemas"]["DeviceRow"][];
            /** @description `cursor` of the next page; null at the end. */
            next?: string | null;
            /** @description Of those that match but for their status, how many have each. */
            statuses: {
                [key: string]: number;
            };
            /** @description How many match in all. */
            total: number;
        };
        /** @description A client in a list. */
        DeviceRow: {
            /** @description The certificate's id, hexadecimal. */
            certificate: string;
            /** @description Its id, `organisation.name`. */
            client: string;
            last?: components["schemas"]["EventView"] | null;
            /**
             * Format: int64
             * @description Last second of its validity, Unix.
             */
            not_after_s: number;
            /**
             * Format: int64
             * @description First second of its validity, Unix.
             */
            not_before_s: number;
            /** @description Whether it is connected, as the last record says; null where there is none. */
            online?: boolean | null;
            /** @description Its organisation. */
            org: string;
            /**
             * Format: int64
             * @description When it was registered, milliseconds since 1970.
             */
            registered_ms: number;
            /** @description Its role: `operator`, `gateway`, `device` or `user`. */
            role: string;
            /** @description Its certificate: `live`, `not-yet-valid`, `expired`, `revoked` or `suspended`. */
            status: string;
        };
        /** @description All of a client that its page shows beside the ledger's lists. */
        DeviceView: components["schemas"]["DeviceRow"] & {
            connection?: components["schemas"]["EventView"] | null;
            ended?: components["schemas"]["EndView"] | null;
            /** @description Whether its key is in this console's home. */
            key_here: boolean;
            /** @description Whether this session may act for it. */
            may_act: boolean;
            /** @description Whether there are more topics. */
            more_topics: boolean;
            /** @description Its certificate, PEM. */
            pem: string;
            /** @description Its topics with their newest packages; at most 20. */
            topics: components["schemas"]["TopicTraffic"][];
        };
        /** @description An act that took effect. */
        Done: {
            /** @description As whom it was signed. */
            by: string;
            /**
             * Format: int64
             * @description The block that holds it.
             */
            height: number;
            /**
             * Format: int64
             * @description The block's time, milliseconds since 1970.
             */
            time_ms: number;
            /** @description The transaction, hexadecimal. */
            transaction: string;
        };
        /** @description How a certificate ended or is suspended. */
        EndView: {
            /** @description Who did it. */
            by: string;
            /**
             * Format: int64
             * @description In force from this block on.
             */
            height: number;
            /** @description Why, in that one's words. */
            reason: string;
            /**
             * Format: int64
             * @description The block's time, milliseconds since 1970.
             */
            time_ms: number;
        };
        /** @description A client to be made, with its key in the console's home. */
        EnrolClient: {
            /** @description `organisation.name`. */
            client: string;
            /**
             * Format: int32
             * @description For how many days; 365 when left out.
             */
            days?: number | null;
            /** @description `device` (the default) or `user`. */
            role?: string | null;
        };
        /** @description A client that was made. */
        EnrolledClient: {
            /** @description Its certificate, hexadecimal. */
            certificate: string;
            /** @description Its id. */
            client: string;
            /**
             * Format: int64
             * @description The block that has it.
             */
            height: number;
            /** @description Where its key is, on the console's machine. */
            home: string;
        };
        /** @description A gateway's record of a connection. */
        EventView: {
            /** @description From which address, as the gateway wrote it. */
            address: string;
            /** @description Clean start. */
            clean_start: boolean;
            /** @description Who; as claimed, when the login was refused. */
            client: string;
            /** @description State key of the grant that decided, hexadecimal. */
            grant?: string | null;
            /**
             * Format: int64
             * @description Height whose state decided.
             */
            height: number;
            /**
             * Format: int32
             * @description Keep alive, seconds.
             */
            keep_alive_s: number;
            /** @description What, for instance `connected`. */
            kind: string;
            /**
             * Format: int32
             * @description From which port.
             */
            port: number;
            /** @description User properties of the CONNECT packet. */
            properties: components["schemas"]["PropertyView"][];
            /**
             * Format: int32
             * @description 4: MQTT 3.1.1, 5: MQTT 5.0.
             */
            protocol_version: number;
            /** @description Why, in words; empty where there is nothing to say. */
            reason: string;
            /**
             * Format: int64
             * @description When, milliseconds since 1970, by the gateway's clock.
             */
            time_ms: number;
            /** @description Topic or filter, where it is about one. */
            topic?: string | null;
        };
        /** @description A decision and why it is so. */
        Explanation: {
            /** @description Whether the client may. */
            allowed: boolean;
            /** @description The client's certificate, hexadecimal. */
            certificate?: string | null;
            /** @description The grant that decided, as the ledger's interface gives it; null: none did. */
            grant?: Record<string, never> | null;
            /** @description That grant's state key, hexadecimal. */
            grant_key?: string | null;
            /**
             * Format: int64
             * @description The height that the decision is about.
             */
            height: number;
            /** @description State keys of all entries looked at, found or not, hexadecimal. */
            keys: string[];
            /** @description The topic's owner; null where no registered topic was named. */
            owner?: string | null;
            /**
             * Format: int64
             * @description The height of the root under which all entries below are proven: the console has verified them.
             */
            proven_at: number;
            /** @description The reason's name, for instance `NoGrant`. */
            reason: string;
            /**
             * Format: int32
             * @description The reason's number: below 10 it allows.
             */
            reason_number: number;
            /** @description The reason in one sentence. */
            text: string;
            /**
             * Format: int64
             * @description The time that it is about, milliseconds since 1970.
             */
            time_ms: number;
        };
        /** @description What a client asked of one gateway. */
        GatewayJobs: {
            /** @description Why it told nothing: it is away, or refused. */
            away?: string | null;
            /** @description Which. */
            gateway: string;
            /** @description The newest first, as many as the gateway keeps. */
            jobs: components["schemas"]["JobView"][];
            /** @description Jobs that are done again and again. */
            standing: components["schemas"]["StandingView"][];
        };
        /** @description An organisation at genesis. */
        GenesisOrganisation: {
            /** @description Its name. */
            org: string;
            /** @description SM3 of that certificate, hexadecimal. */
            root: string;
            /** @description Its root certificate, PEM. */
            root_pem: string;
            /** @description The key with which its validator votes, compressed SEC1, hexadecimal. */
            validator: string;
        };
        /** @description What everything is verified by. */
        GenesisView: {
            /**
             * Format: int64
             * @description Shortest time between two blocks, in milliseconds.
             */
            block_interval_ms: number;
            /**
             * @description The ledger's id: SM3 of the genesis's CBOR, hexadecimal. Compare it with your organisation's own copy
             *     before you pin it.
             */
            chain: string;
            /**
             * Format: int64
             * @description When it was made, milliseconds since 1970.
             */
            created_ms: number;
            /** @description The genesis file, as it lies on disk: JSON text. */
            file: string;
            /** @description The consortium's name. */
            name: string;
            /** @description Its organisations, in the order of genesis. */
            organisations: components["schemas"]["GenesisOrganisation"][];
        };
        /** @description A grant. */
        Grant: components["schemas"]["Terms"] & {
            /** @description As whom; by default the topic's owner. */
            as?: string | null;
            /** @description A word to whoever asked for it. */
            note?: string | null;
            /** @description To whom. */
            to: string;
            /** @description On which topic, or filter within the owner's prefix. */
            topic: string;
        };
        /** @description Samples, the oldest first. Where none was taken there is none. */
        History: {
            /** @description The samples. */
            samples: components["schemas"]["Sample"][];
            /**
             * Format: int64
             * @description Time between two of them, in milliseconds.
             */
            step_ms: number;
        };
        /** @description Something that was found. */
        Hit: {
            /** @description What to say of it, for instance whose certificate it is. */
            about: string;
            /** @description Its id: a height, a digest in hexadecimal, a client id, a topic. */
            id: string;
            /** @description What it is. */
            kind: components["schemas"]["HitKind"];
        };
        /**
         * @description What can be found.
         * @enum {string}
         */
        HitKind: "block" | "transaction" | "client" | "topic" | "package" | "certificate" | "enrolment" | "authorisation" | "compute-key" | "evaluation";
        /** @description What was found. */
        Hits: {
            /** @description The best first. */
            hits: components["schemas"]["Hit"][];
        };
        /** @description An input of a job, and what became of it. */
        JobInputView: {
            /**
             * Format: int64
             * @description Received not before, milliseconds since 1970.
             */
            from_ms: number;
            /** @description Messages that were left out, by reason. */
            left_out: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description Packages that it was over; 0 until it is evaluated.
             */
            packages: number;
            /**
             * Format: int64
             * @description Readings in the result; 0 until it is evaluated.
             */
            readings: number;
            /**
             * Format: int64
             * @description Received before, milliseconds since 1970.
             */
            to_ms: number;
            /** @description Topic. */
            topic: string;
        };
        /** @description A job. */
        JobView: {
            /**
             * Format: int64
             * @description When it was asked for, milliseconds since 1970.
             */
            asked_ms: number;
            /** @description The evaluation, hexadecimal, once there is one. */
            evaluation?: string | null;
            /** @description Name of the function. */
            function: string;
            /**
             * Format: int64
             * @description Height of the block that holds the evaluation.
             */
            height?: number | null;
            /** @description Its inputs. */
            inputs: components["schemas"]["JobInputView"][];
            /** @description Its id, hexadecimal. */
            job: string;
            /** @description The compute key, hexadecimal. */
            key: string;
            /** @description Why there is no result, with the numbers. */
            refused?: string | null;
            /** @description Of which standing job it is a run, hexadecimal. */
            standing?: string | null;
            /** @description `waiting`, `evaluating`, `evaluated`, `recorded` (the result can be fetched) or `refused`. */
            state: string;
            /** @description Why a run's result wasn't published. */
            unpublished?: string | null;
        };
        /** @description A sign-in by key. */
        KeySignIn: {
            /** @description The certificate's id, hexadecimal. */
            certificate: string;
            /** @description The challenge's nonce. */
            nonce: string;
            /**
             * @description SM2 signature in the domain `sealwire-console-v1` over the CBOR of `[1, chain, origin, certificate,
             *     nonce]`, `r || s`, hexadecimal.
             */
            signature: string;
        };
        /** @description A one-time link's token. */
        LinkToken: {
            /** @description What stands after `link=`. */
            token: string;
        };
        /** @description Who wants a token. */
        MintToken: {
            /** @description As which client. */
            client: string;
            /** @description At which gateway; this organisation's when left out. */
            gateway?: string | null;
        };
        /** @description A token. It is good once, and not shown again. */
        Minted: {
            /** @description MQTT client id and user name. */
            client: string;
            /**
             * Format: int64
             * @description Until when, seconds since 1970.
             */
            expires_s: number;
            /** @description At which gateway. */
            gateway: string;
            /** @description MQTT password. */
            password: string;
        };
        /** @description A client to be enrolled by a code. */
        NewEnrolment: {
            /** @description `organisation.name`. */
            client: string;
            /** @description `operator`, `gateway`, `device` (the default) or `user`. */
            role?: string | null;
        };
        /** @description Enrolments to be opened: a list, or a CSV file's text. */
        OpenEnrolments: {
            /** @description The clients. */
            clients?: components["schemas"]["NewEnrolment"][];
            /** @description Lines `client,role`, as for `sealwire enrolment open --csv`; the role may be left out. */
            csv?: string | null;
            /**
             * Format: int64
             * @description How long the codes are good, in seconds; 30 days when left out.
             */
            expires_in_s?: number | null;
        };
        /** @description An enrolment that is open. */
        OpenedEnrolment: {
            /** @description For which client. */
            client: string;
            /** @description The code: whoever has it becomes that client. It isn't shown again. */
            code: string;
            /** @description Its id, hexadecimal. */
            id: string;
            /** @description In which role. */
            role: string;
        };
        /** @description What was opened. */
        OpenedEnrolments: {
            /**
             * Format: int64
             * @description Until when the codes are good, seconds since 1970.
             */
            expires_s: number;
            /**
             * Format: int64
             * @description The last block that opened some; null: none did.
             */
            height?: number | null;
            /** @description How many aren't, because of `problem`. */
            left: number;
            /** @description Those that are open. */
            opened: components["schemas"]["OpenedEnrolment"][];
            problem?: components["schemas"]["Problem"] | null;
        };
        /** @description What became of a transaction. */
        OutcomeView: {
            /**
             * Format: int32
             * @description 0: applied.
             */
            code: number;
            /** @description The code's name, for instance `NotOwner`. */
            name: string;
            /** @description In words; empty where the node didn't say. */
            text: string;
        };
        /** @description How the consortium is. */
        OverviewView: {
            /** @description What to worry about, the worst first. */
            alerts: components["schemas"]["Alert"][];
            /** @description Clients that are registered. */
            clients: number;
            /** @description Live certificates that end within 14 days. */
            expiring: number;
            /** @description How many of them may be away or hostile. */
            faults_tolerated: number;
            /** @description Why this console follows no node at the moment; null where it does. */
            feed_away?: string | null;
            /** @description Clients that are connected, as the last records say. */
            online: number;
            sample?: components["schemas"]["Sample"] | null;
            /** @description All services. */
            services: components["schemas"]["ServiceView"][];
            /** @description How many validators there are. */
            validators: number;
        };
        /** @description A topic of one's own. */
        OwnTopic: {
            /** @description As whom; by default the topic's owner. */
            as?: string | null;
            /** @description Why, for people; only where a topic is closed. */
            reason?: string;
            /** @description Which topic. */
            topic: string;
        };
        /** @description What the ledger says of a package. */
        PackageBrief: {
            /**
             * Format: int64
             * @description How many messages.
             */
            count: number;
            /**
             * Format: int64
             * @description When the first was received, milliseconds since 1970.
             */
            from_ms: number;
            /** @description The gateway that keeps it. */
            gateway: string;
            /**
             * Format: int64
             * @description The block that anchored it.
             */
            height: number;
            /** @description Its id, hexadecimal. */
            package: string;
            /**
             * Format: int64
             * @description When the last was received, milliseconds since 1970.
             */
            to_ms: number;
        };
        /**
         * @description What a service is.
         * @enum {string}
         */
        Part: "node" | "gateway";
        /** @description What went wrong and what to do about it. */
        Problem: {
            /**
             * Format: int32
             * @description Number of the contract's code, when the ledger refused.
             */
            code?: number | null;
            /** @description Name of that code, for instance `NotOwner`. */
            code_name?: string | null;
            /** @description The command that does it where that key is. */
            command?: string | null;
            /** @description This case in words, and what to do. */
            detail: string;
            /** @description The client whose key would be needed and isn't here. */
            key?: string | null;
            /**
             * Format: int32
             * @description HTTP status.
             */
            status: number;
            /** @description The kind in words. */
            title: string;
            /** @description Stable name of the kind: `urn:sealwire:problem:…`. */
            type: string;
        };
        /** @description An MQTT user property. */
        PropertyView: {
            /** @description Its name. */
            name: string;
            /** @description Its value. */
            value: string;
        };
        /** @description An authorisation key to be redeemed. */
        RedeemAuthorisation: {
            /** @description As whom. */
            as: string;
            /** @description Its text, `SWA-…`. */
            key: string;
        };
        /** @description What an authorisation key gave. */
        Redeemed: components["schemas"]["Done"] & {
            /** @description Which rights. */
            rights: string[];
            /** @description On which topic or filter. */
            topic: string;
        };
        /** @description A topic to be registered. */
        RegisterTopic: {
            /** @description As whom; by default the client whose prefix the topic begins with. */
            as?: string | null;
            /** @description Take any payload; every message must be encrypted otherwise. */
            open?: boolean;
            /** @description Which topic: `organisation/name/…`. */
            topic: string;
        };
        /** @description A request for a right. */
        RequestRights: components["schemas"]["Terms"] & {
            /** @description As whom. */
            as: string;
            /** @description On which topic, or filter within one client's prefix. */
            topic: string;
        };
        /** @description A client's rights on a topic or filter, to be taken away. */
        Revoke: {
            /** @description As whom; by default the topic's owner. */
            as?: string | null;
            /** @description From whom. */
            from: string;
            /** @description On which topic, or filter as granted. */
            topic: string;
        };
        /** @description How everything was at one time. */
        Sample: {
            /**
             * Format: int32
             * @description Alerts.
             */
            alerts: number;
            /**
             * Format: double
             * @description Blocks per second, over 10 s.
             */
            blocks_per_s: number;
            /**
             * Format: int64
             * @description Median time of the last blocks from their proposers' clocks to here, in milliseconds; null: no block
             *     within 10 s.
             */
            finality_ms?: number | null;
            /**
             * Format: int32
             * @description Gateways that answer.
             */
            gateways_up: number;
            /**
             * Format: int64
             * @description The greatest height that a node says.
             */
            height: number;
            /**
             * Format: double
             * @description Logins per second at all gateways; null: no gateway answered twice.
             */
            logins_per_s?: number | null;
            /**
             * Format: int64
             * @description Messages in all archives.
             */
            messages_archived: number;
            /**
             * Format: double
             * @description Messages per second at all gateways.
             */
            messages_per_s?: number | null;
            /**
             * Format: int32
             * @description Nodes that answer.
             */
            nodes_up: number;
            /**
             * Format: int64
             * @description Packages anchored by all gateways.
             */
            packages_anchored: number;
            /**
             * Format: double
             * @description Refused logins per second at all gateways.
             */
            refused_logins_per_s?: number | null;
            /**
             * Format: int64
             * @description Clients connected at all gateways.
             */
            sessions: number;
            /**
             * Format: int64
             * @description When, milliseconds since 1970.
             */
            time_ms: number;
            /**
             * Format: double
             * @description Transactions per second, over 10 s.
             */
            transactions_per_s: number;
        };
        /** @description A service and what it says of itself. */
        ServiceView: {
            /**
             * Format: int64
             * @description A gateway: packages anchored. Null for others.
             */
            anchored?: number | null;
            /**
             * Format: int64
             * @description How long it took to answer, in milliseconds; null: it didn't.
             */
            answer_ms?: number | null;
            /** @description A gateway: all its counters since it started (`docs/operator.md`). Empty for others. */
            counters: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description The height it has verified; null: it didn't say.
             */
            height?: number | null;
            /**
             * Format: int64
             * @description A gateway: messages in its archive. Null for others.
             */
            messages?: number | null;
            /** @description Whose. */
            org: string;
            /**
             * Format: int64
             * @description A gateway: entries that no block holds yet. Null for others.
             */
            outbox?: number | null;
            /** @description What it is. */
            part: components["schemas"]["Part"];
            /**
             * Format: int64
             * @description A node: transactions that wait. Null for others.
             */
            pending?: number | null;
            /**
             * Format: int64
             * @description A gateway: clients connected. Null for others.
             */
            sessions?: number | null;
            /**
             * Format: int64
             * @description Since when it is up or away, milliseconds since 1970, as far as this console has seen.
             */
            since_ms: number;
            /** @description Whether it answers. */
            up: boolean;
            /** @description Its address. */
            url: string;
            /**
             * Format: int64
             * @description A gateway: age of its verified state, in milliseconds. Null for others.
             */
            verified_age_ms?: number | null;
            /** @description A node: whether it votes. Null for others. */
            votes?: boolean | null;
            /** @description Why it doesn't; empty where it does. */
            why: string;
        };
        /** @description This console and who is signed in at it. */
        SessionView: {
            /** @description The console. */
            console: components["schemas"]["ConsoleView"];
            user?: components["schemas"]["UserView"] | null;
        };
        /** @description A standing job that is set up. */
        SetStanding: {
            /** @description As whom: a client with the right `compute` on every topic and `publish` on the result's, whose key is here. */
            as: string;
            /**
             * Format: int64
             * @description Seconds between two runs.
             */
            every_s: number;
            /** @description At which gateway; the first that the client knows when left out. */
            gateway?: string | null;
            /**
             * Format: int64
             * @description How many seconds a run looks back.
             */
            over_s: number;
            /** @description On which open topic each result is published. */
            publish: string;
            /** @description What. */
            what: components["schemas"]["ComputeWhat"];
        };
        /**
         * @description How bad it is.
         * @enum {string}
         */
        Severity: "critical" | "warning" | "notice";
        /** @description A standing job, by where it is. */
        StandingAt: {
            /** @description As whom. */
            as: string;
            /** @description At which gateway. */
            gateway: string;
            /** @description Its id, hexadecimal. */
            standing: string;
        };
        /** @description A standing job. */
        StandingView: {
            /**
             * Format: int64
             * @description Seconds between two runs.
             */
            every_s: number;
            /** @description Name of the function. */
            function: string;
            /** @description The compute key, hexadecimal. */
            key: string;
            /**
             * Format: int64
             * @description End of the last run's time, milliseconds since 1970; 0: none yet.
             */
            last_end_ms: number;
            /** @description The last run, hexadecimal. */
            last_job?: string | null;
            /**
             * Format: int64
             * @description Runs that were missed since it was set up.
             */
            missed: number;
            /**
             * Format: int64
             * @description How many seconds a run looks back.
             */
            over_s: number;
            /** @description On which topic each result is published. */
            publish: string;
            /** @description Its id, hexadecimal. */
            standing: string;
            /** @description Over which topics. */
            topics: string[];
        };
        /** @description What is granted or asked for. */
        Terms: {
            /**
             * Format: int64
             * @description Until when, seconds since 1970; until revoked when left out.
             */
            expires_s?: number | null;
            /**
             * Format: int64
             * @description Archived records from this time on only, seconds since 1970.
             */
            from_s?: number | null;
            /** @description What for, for people; at most 256 bytes. */
            purpose?: string;
            /** @description Any of `publish`, `subscribe`, `read`, `compute`, `verify`. */
            rights: string[];
            /**
             * Format: int64
             * @description Archived records up to this time only, seconds since 1970.
             */
            to_s?: number | null;
        };
        /** @description A topic and what was archived of it last. */
        TopicTraffic: {
            /** @description Whether it is closed. */
            closed: boolean;
            /**
             * Format: int64
             * @description Its key epoch.
             */
            epoch: number;
            /** @description `sealed` or `open`. */
            mode: string;
            newest?: components["schemas"]["PackageBrief"] | null;
            /** @description Its name. */
            topic: string;
        };
        /** @description A transaction. */
        TransactionView: {
            /** @description Kind of call, for instance `grant-topic`. */
            call: string;
            /**
             * Format: int64
             * @description Last height at which it might have been in a block.
             */
            expiry_height: number;
            /**
             * @description The call's fields, as the ledger's interface names them; certificates as `{client, role, not_before_s,
             *     not_after_s, id}` under `certificate`.
             */
            fields: Record<string, never>;
            /**
             * Format: int64
             * @description Its block.
             */
            height: number;
            /** @description Its id, hexadecimal. */
            id: string;
            /** @description Its index in the block. */
            index: number;
            outcome?: components["schemas"]["OutcomeView"] | null;
            /** @description The sender's certificate, hexadecimal. */
            sender: string;
            /** @description The sender; null where the ledger doesn't know the certificate. */
            sender_client?: string | null;
            /**
             * Format: int64
             * @description The block's time, milliseconds since 1970.
             */
            time_ms: number;
        };
        /** @description Who is signed in. */
        UserView: {
            /** @description Whom this session may act for. */
            acts_for: components["schemas"]["ActsFor"];
            /** @description How. */
            by: components["schemas"]["By"];
            /** @description Certificate id, hexadecimal; null: signed in by link where the operator's key isn't. */
            certificate?: string | null;
            /** @description Client id, `organisation.name`. */
            client: string;
            /**
             * Format: int64
             * @description Since when, milliseconds since 1970.
             */
            created_ms: number;
            /**
             * Format: int64
             * @description The session ends then in any case, milliseconds since 1970.
             */
            ends_ms: number;
            /**
             * Format: int64
             * @description The session ends then unless something is asked before, milliseconds since 1970.
             */
            idle_ends_ms: number;
            /** @description Why it may act for nobody; empty otherwise. */
            reads_only_because: string;
            /** @description Role in that certificate: `operator`, `gateway`, `device` or `user`; null where there is none. */
            role?: string | null;
        };
        /** @description An authorisation key to be withdrawn. */
        WithdrawAuthorisation: {
            /** @description Its id, hexadecimal. */
            id: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
