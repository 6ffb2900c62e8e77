// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

import java.util.regex.Pattern;

/// The syntax of cluster and group names, which become parts of ZooKeeper paths.
public final class ClusterName {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}");

    private ClusterName() {}

    /// Returns the name when it is valid.
    ///
    /// @param what the kind of name, for the error
    /// @throws IllegalArgumentException naming the value and the limit
    public static String require(String name, String what) {
        if (!NAME.matcher(name).matches()) {
            throw new IllegalArgumentException(
                    what
                            + " \""
                            + name
                            + "\" must be 1 to 64 letters, digits, '.', '_' or '-', no dot first");
        }
        return name;
    }
}
