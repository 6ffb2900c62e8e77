// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.RequestHeaders;
import java.util.List;
import java.util.Optional;
import java.util.regex.Pattern;

/// The properties of a request apart from its body.
///
/// @param requestId the id in the log and in the response's header; the client's if it sent one
/// @param tenants the values of all its `x-lockstep-tenant` headers, unchecked
/// @param credential checked before
/// @param arrivedNanos the time of arrival on the coordinator's clock
/// @param created of the response, in seconds since 1970
/// @param origin the request as it was sent, if another coordinator may go on with it
/// @param resumed the response that goes on; empty for a new one
record RequestContext(
        String requestId,
        List<String> tenants,
        Credential credential,
        long arrivedNanos,
        long created,
        Optional<RequestOrigin> origin,
        Optional<ResumedResponse> resumed) {
    static final String TENANT = "x-lockstep-tenant";

    private static final int MAX_TENANT_LENGTH = 128;
    private static final Pattern PRINTABLE = Pattern.compile("[!-~]*");

    RequestContext {
        tenants = List.copyOf(tenants);
    }

    /// A request that arrives now.
    RequestContext(
            String requestId, List<String> tenants, Credential credential, long arrivedNanos) {
        this(
                requestId,
                tenants,
                credential,
                arrivedNanos,
                System.currentTimeMillis() / 1000,
                Optional.empty(),
                Optional.empty());
    }

    RequestContext with(RequestOrigin sent) {
        return new RequestContext(
                requestId, tenants, credential, arrivedNanos, created, Optional.of(sent), resumed);
    }

    /// Returns the context of a request that goes on with a response.
    RequestContext resuming(ResumedResponse response) {
        var sent =
                new RequestOrigin(
                        response.record().getRoute(),
                        response.record().getBody(),
                        response.key(),
                        response.record().getStored(),
                        response.record().getItems());
        return new RequestContext(
                requestId,
                tenants,
                credential,
                arrivedNanos - response.age().toNanos(),
                response.record().getCreated(),
                Optional.of(sent),
                Optional.of(response));
    }

    /// Returns whose the responses are that this request stores.
    ResponseOwner owner() {
        return resumed.map(ResumedResponse::owner)
                .orElseGet(() -> ResponseOwner.of(tenant(), credential.text()));
    }

    /// Returns the tenant, checked. Several are refused, because neither this coordinator nor a
    /// proxy in front of it knows which one is right.
    String tenant() {
        if (tenants.size() > 1) {
            throw ApiError.invalid(
                    TENANT,
                    TENANT + " is given " + tenants.size() + " times, at most 1 is accepted");
        }
        String tenant = tenants.isEmpty() ? "" : tenants.getFirst();
        if (tenant.length() > MAX_TENANT_LENGTH) {
            throw ApiError.invalid(
                    TENANT,
                    TENANT
                            + " has "
                            + tenant.length()
                            + " characters, at most "
                            + MAX_TENANT_LENGTH
                            + " are accepted");
        }
        if (!PRINTABLE.matcher(tenant).matches()) {
            throw ApiError.invalid(
                    TENANT,
                    TENANT
                            + " is \""
                            + Json.quoted(tenant)
                            + "\", it must have printable ASCII characters only, and no space");
        }
        return tenant;
    }

    /// What a client sent to prove itself, or nothing; no log shows it.
    record Credential(String text) {
        static Credential of(RequestHeaders headers) {
            return new Credential(ApiKeys.sent(headers));
        }

        @Override
        public String toString() {
            return "Credential";
        }
    }
}
