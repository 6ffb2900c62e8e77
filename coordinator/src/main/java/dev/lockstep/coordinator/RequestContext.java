// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import java.util.List;

/// The properties of a request apart from its body.
///
/// @param requestId the id in the log and in the response's header; the client's if it sent one
/// @param tenants the values of all its `x-lockstep-tenant` headers, unchecked
/// @param arrivedNanos the time of arrival on the coordinator's clock
record RequestContext(String requestId, List<String> tenants, long arrivedNanos) {
    static final String TENANT = "x-lockstep-tenant";

    RequestContext {
        tenants = List.copyOf(tenants);
    }
}
