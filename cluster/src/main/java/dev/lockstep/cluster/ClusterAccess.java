// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import java.nio.file.Path;
import java.util.Optional;

/// What one process needs to be admitted by the others of its cluster and by ZooKeeper, and to
/// admit them.
public final class ClusterAccess {
    private final ClusterSecret secret;
    private final ZooKeeperAuth zooKeeper;
    private final Optional<TlsIdentity> tls;

    private ClusterAccess(
            ClusterSecret secret, ZooKeeperAuth zooKeeper, Optional<TlsIdentity> tls) {
        this.secret = secret;
        this.zooKeeper = zooKeeper;
        this.tls = tls;
    }

    /// Creates the access to a cluster whose ZooKeeper server knows the same secret.
    public static ClusterAccess of(ClusterSecret secret) {
        return new ClusterAccess(secret, ZooKeeperAuth.of(secret), Optional.empty());
    }

    /// Reads the files that the settings name. Without a setting all processes of a user share one
    /// secret, which the first of them creates.
    public static ClusterAccess of(Settings settings) {
        ClusterSecret secret = secret(settings);
        Optional<Path> user = settings.find(ProcessKeys.ZOOKEEPER_AUTH).map(Path::of);
        return new ClusterAccess(
                secret,
                user.map(ZooKeeperAuth::read).orElseGet(() -> ZooKeeperAuth.of(secret)),
                Optional.empty());
    }

    /// Reads the files that the settings name, of a process that connects to others.
    public static ClusterAccess of(Settings settings, Member.Role role) {
        ClusterAccess access = of(settings);
        return settings.find(ProcessKeys.TLS_FOLDER)
                .map(folder -> access.withCertificates(Path.of(folder), role))
                .orElse(access);
    }

    /// Returns this access with the role's certificate for TCP.
    ClusterAccess withCertificates(Path folder, Member.Role role) {
        return new ClusterAccess(secret, zooKeeper, Optional.of(TlsIdentity.read(folder, role)));
    }

    private static ClusterSecret secret(Settings settings) {
        Optional<Path> file = settings.find(ProcessKeys.CLUSTER_SECRET_FILE).map(Path::of);
        return file.map(ClusterSecret::read)
                .orElseGet(() -> ClusterSecret.readOrCreate(ClusterSecret.fileOfUser()));
    }

    ClusterSecret secret() {
        return secret;
    }

    /// Returns the certificate for TCP; empty sends in the clear.
    Optional<TlsIdentity> tls() {
        return tls;
    }

    ZooKeeperAuth zooKeeper() {
        return zooKeeper;
    }
}
