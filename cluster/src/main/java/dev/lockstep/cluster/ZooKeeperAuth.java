// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.SettingsException;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// The user as which the processes of a cluster log in to ZooKeeper. Only this user reads or
/// changes the cluster's nodes.
///
/// @param scheme how the password is proved
record ZooKeeperAuth(Scheme scheme, String user, String password) {
    private static final Pattern LINE = Pattern.compile("(sasl|digest) ([^:\\s]+):(\\S+)");

    enum Scheme {
        /// By challenge and response, both ways (DIGEST-MD5); the server knows the user. What
        /// `lockstep zookeeper` demands.
        SASL,
        /// Sent as it is; works with every server, which learns the password.
        DIGEST
    }

    /// Returns the user of servers that this cluster starts.
    static ZooKeeperAuth of(ClusterSecret secret) {
        return new ZooKeeperAuth(
                Scheme.SASL, "lockstep", HexFormat.of().formatHex(secret.proof("zookeeper")));
    }

    /// Reads the user of an ensemble: one line, `sasl USER:PASSWORD` or `digest USER:PASSWORD`.
    static ZooKeeperAuth read(Path file) {
        Matcher line = LINE.matcher(SecretFile.read(file, "--zookeeper-auth").strip());
        if (!line.matches()) {
            throw new SettingsException(
                    "--zookeeper-auth: %s is not one line \"sasl USER:PASSWORD\" or \"digest USER:PASSWORD\""
                            .formatted(file));
        }
        return new ZooKeeperAuth(
                Scheme.valueOf(line.group(1).toUpperCase(Locale.ROOT)),
                line.group(2),
                line.group(3));
    }

    /// Without the password.
    @Override
    public String toString() {
        return scheme + " user " + user;
    }
}
