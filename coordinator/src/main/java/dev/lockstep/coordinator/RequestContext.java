package dev.lockstep.coordinator;

import java.util.List;

/// What is known of a request beside its body.
///
/// @param requestId in the log and in the answer's header; the client's own where it sent one
/// @param tenants every `x-lockstep-tenant` it carries, as they came
/// @param arrivedNanos on the coordinator's clock
record RequestContext(String requestId, List<String> tenants, long arrivedNanos) {
    static final String TENANT = "x-lockstep-tenant";

    RequestContext {
        tenants = List.copyOf(tenants);
    }
}
