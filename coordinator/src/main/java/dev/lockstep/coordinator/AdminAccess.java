// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.linecorp.armeria.common.RequestHeaders;
import dev.lockstep.proto.v1.AdminGrpc;
import java.net.InetAddress;
import java.util.Optional;
import java.util.Set;

/// Who may change the cluster through the admin service: who has the admin key, or without one,
/// where the API needs no key either, who is on this host. Safe for any thread.
final class AdminAccess {
    private static final String SERVICE = "/" + AdminGrpc.SERVICE_NAME + "/";

    /// The methods that only read. New methods are for admins unless they are named here.
    private static final Set<String> READS =
            Set.of(SERVICE + "ClusterStatus", SERVICE + "DescribeRequest", SERVICE + "DrainStatus");

    private final ApiKeys keys;

    AdminAccess(ApiKeys keys) {
        this.keys = keys;
    }

    /// Returns why a request may not change the cluster; empty if it may, or does not.
    Optional<ApiError> refusal(String path, RequestHeaders headers, InetAddress client) {
        if (!path.startsWith(SERVICE) || READS.contains(path)) {
            return Optional.empty();
        }
        if (keys.hasAdminKey()) {
            return keys.isAdminKey(ApiKeys.sent(headers))
                    ? Optional.empty()
                    : refused("the request needs the admin key of the server");
        }
        if (!keys.isEmpty()) {
            return refused(
                    "the server has API keys and no admin key, which this needs; --"
                            + ApiKeys.ADMIN_KEY.name()
                            + " sets it");
        }
        return client.isLoopbackAddress()
                ? Optional.empty()
                : refused(
                        "without an admin key only the server's own host may do this; --"
                                + ApiKeys.ADMIN_KEY.name()
                                + " sets one");
    }

    private static Optional<ApiError> refused(String why) {
        return Optional.of(ApiError.refused(403, "admin_only", why));
    }
}
