// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.Optional;

/// The version of Lockstep, from the manifest of its jar.
public final class Version {
    /// Such as `0.1.0`; `development` for classes without a jar.
    public static final String TEXT =
            Optional.ofNullable(Version.class.getPackage().getImplementationVersion())
                    .orElse("development");

    private Version() {}
}
