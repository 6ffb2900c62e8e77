// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.regex.Pattern;

/// The environment variables that Kubernetes and Docker links set in a container for each Service:
/// those of a Service named `lockstep` look like settings.
final class ServiceVariables {
    /// After `NAME_`, and before it the rest of a longer name such as `lockstep-api`.
    private static final Pattern NAME =
            Pattern.compile(
                    "(?:.+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_.+)?|PORT_\\d{1,5}_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)");

    /// `NAME_PORT` has the name of a setting; its value tells them apart.
    private static final Pattern PORT_NAME = Pattern.compile("(?:.+_)?PORT");

    private static final Pattern URL = Pattern.compile("(?:tcp|udp|sctp)://.*");

    private ServiceVariables() {}

    /// @param suffix the name without [Settings#ENVIRONMENT_PREFIX]
    static boolean include(String suffix, String value) {
        return NAME.matcher(suffix).matches()
                || (PORT_NAME.matcher(suffix).matches() && URL.matcher(value).matches());
    }
}
