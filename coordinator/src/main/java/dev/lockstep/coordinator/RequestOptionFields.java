package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.coordinator.engine.RequestOptions;
import java.util.List;
import java.util.OptionalLong;
import java.util.regex.Pattern;

/// Reads what a request asks of scheduling and caching, alike in chat and completions.
final class RequestOptionFields {
    /// A week: longer, and nobody waits for the answer or comes back for the cache.
    private static final int LONGEST_MILLIS = 7 * 24 * 3600 * 1000;

    private static final int MOST_CACHE_PRIORITY = 100;
    private static final int LONGEST_SALT = 256;
    private static final int LONGEST_TENANT = 128;
    private static final Pattern PRINTABLE = Pattern.compile("[!-~]*");

    private RequestOptionFields() {}

    static RequestOptions parse(Fields fields, RequestContext context) {
        return new RequestOptions(
                tenant(context.tenants()),
                fields.integer("priority", Integer.MIN_VALUE, Integer.MAX_VALUE, 0),
                guaranteed(fields),
                deadline(fields, context),
                cacheSalt(fields),
                fields.integer("cache_priority", 1, MOST_CACHE_PRIORITY, 0),
                fields.integer("cache_ttl_ms", 0, LONGEST_MILLIS, 0));
    }

    /// One at most: of two, neither this coordinator nor a proxy before it knows whose they are.
    private static String tenant(List<String> given) {
        if (given.size() > 1) {
            throw ApiError.invalid(
                    RequestContext.TENANT,
                    RequestContext.TENANT
                            + " is given "
                            + given.size()
                            + " times, at most 1 is taken");
        }
        String tenant = given.isEmpty() ? "" : given.getFirst();
        if (tenant.length() > LONGEST_TENANT) {
            throw ApiError.invalid(
                    RequestContext.TENANT,
                    RequestContext.TENANT
                            + " has "
                            + tenant.length()
                            + " characters, at most "
                            + LONGEST_TENANT
                            + " are taken");
        }
        if (!PRINTABLE.matcher(tenant).matches()) {
            throw ApiError.invalid(
                    RequestContext.TENANT,
                    RequestContext.TENANT
                            + " is \""
                            + Json.quoted(tenant)
                            + "\", it must have printable ASCII characters only, and no space");
        }
        return tenant;
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
        int millis = fields.integer("deadline_ms", 0, LONGEST_MILLIS, 0);
        return millis == 0
                ? OptionalLong.empty()
                : OptionalLong.of(context.arrivedNanos() + millis * 1_000_000L);
    }

    private static String cacheSalt(Fields fields) {
        String salt = fields.text("cache_salt").orElse("");
        if (salt.length() > LONGEST_SALT) {
            throw ApiError.invalid(
                    fields.name("cache_salt"),
                    "cache_salt has "
                            + salt.length()
                            + " characters, at most "
                            + LONGEST_SALT
                            + " are taken");
        }
        return salt;
    }
}
