// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.coordinator.engine.RequestOptions;
import java.util.OptionalLong;

/// Reads the scheduling and caching options of a request, the same in chat and completions.
final class RequestOptionFields {
    /// A week: no client waits longer for a response or expects its prefix in the cache.
    private static final int MAX_MILLIS = 7 * 24 * 3600 * 1000;

    private static final int MAX_CACHE_PRIORITY = 100;
    private static final int MAX_SALT_LENGTH = 256;

    private RequestOptionFields() {}

    static RequestOptions parse(Fields fields, RequestContext context) {
        return new RequestOptions(
                context.tenant(),
                fields.integer("priority", Integer.MIN_VALUE, Integer.MAX_VALUE, 0),
                guaranteed(fields),
                deadline(fields, context),
                cacheSalt(fields),
                fields.integer("cache_priority", 1, MAX_CACHE_PRIORITY, 0),
                fields.integer("cache_ttl_ms", 0, MAX_MILLIS, 0));
    }

    private static boolean guaranteed(Fields fields) {
        JsonNode value = fields.value("service_class");
        if (value.isMissingNode()) {
            return false;
        }
        return switch (Fields.text(fields.name("service_class"), value)) {
            case "guaranteed" -> true;
            case "best_effort" -> false;
            default ->
                    throw Fields.outside(
                            fields.name("service_class"), value, "{guaranteed, best_effort}");
        };
    }

    private static OptionalLong deadline(Fields fields, RequestContext context) {
        int millis = fields.integer("deadline_ms", 0, MAX_MILLIS, 0);
        return millis == 0
                ? OptionalLong.empty()
                : OptionalLong.of(context.arrivedNanos() + millis * 1_000_000L);
    }

    private static String cacheSalt(Fields fields) {
        String salt = fields.text("cache_salt").orElse("");
        if (salt.length() > MAX_SALT_LENGTH) {
            throw ApiError.invalid(
                    fields.name("cache_salt"),
                    "cache_salt has "
                            + salt.length()
                            + " characters, at most "
                            + MAX_SALT_LENGTH
                            + " are accepted");
        }
        return salt;
    }
}
