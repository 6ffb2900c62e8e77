// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.util.Optional;

/// What one process needs to be admitted by the others of its cluster, and to admit them.
public record ClusterAccess(ClusterSecret secret) {

    /// Reads the files that the settings name. Without a setting all processes of a user share one
    /// secret, which the first of them creates.
    public static ClusterAccess of(Settings settings) {
        Optional<Path> file = settings.find(ProcessKeys.CLUSTER_SECRET_FILE).map(Path::of);
        return new ClusterAccess(
                file.map(ClusterSecret::read)
                        .orElseGet(
                                () ->
                                        ClusterSecret.readOrCreate(
                                                ClusterSecret.fileOfUser(
                                                        System.getenv(),
                                                        System.getProperty("user.home")))));
    }
}
