// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.nio.charset.StandardCharsets;
import java.security.NoSuchAlgorithmException;
import java.util.Collections;
import java.util.List;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.api.ACLProvider;
import org.apache.zookeeper.ZooDefs;
import org.apache.zookeeper.client.ZKClientConfig;
import org.apache.zookeeper.common.X509Util;
import org.apache.zookeeper.data.ACL;
import org.apache.zookeeper.data.Id;
import org.apache.zookeeper.server.auth.DigestAuthenticationProvider;

/// Who may do what with the nodes of a cluster: its own user everything, others nothing. In the
/// common parent of all clusters others may create theirs.
///
/// @param base the common parent
record ZooKeeperAcl(ZooKeeperAuth auth, String base) implements ACLProvider {
    // Not List.of: ZooKeeper asks such lists for null.
    private static final List<ACL> SHARED =
            Collections.singletonList(
                    new ACL(
                            ZooDefs.Perms.READ | ZooDefs.Perms.CREATE,
                            ZooDefs.Ids.ANYONE_ID_UNSAFE));

    /// Makes a client log in as the user.
    void logIn(CuratorFrameworkFactory.Builder builder) {
        if (auth.scheme() == ZooKeeperAuth.Scheme.DIGEST) {
            builder.authorization(
                    "digest",
                    (auth.user() + ":" + auth.password()).getBytes(StandardCharsets.UTF_8));
        }
        builder.zkClientConfig(clientConfig());
    }

    /// Returns the settings of a client, with the login where the scheme has one.
    ZKClientConfig clientConfig() {
        var config = new ZKClientConfig();
        boolean sasl = auth.scheme() == ZooKeeperAuth.Scheme.SASL;
        config.setProperty(ZKClientConfig.ENABLE_CLIENT_SASL_KEY, Boolean.toString(sasl));
        if (sasl) {
            config.setProperty(ZKClientConfig.LOGIN_CONTEXT_NAME_KEY, ZooKeeperLogins.client(auth));
            // The mode refuses MD5. The challenge is hashed with a password of 256 random bits, and
            // nothing rests on MD5 without it.
            config.setProperty(X509Util.FIPS_MODE_PROPERTY, "false");
            // Otherwise it asks the name service for the server's name.
            config.setProperty(ZKClientConfig.ZK_SASL_CLIENT_CANONICALIZE_HOSTNAME, "false");
        }
        return config;
    }

    @Override
    public List<ACL> getDefaultAcl() {
        return ZooDefs.Ids.CREATOR_ALL_ACL;
    }

    @Override
    public List<ACL> getAclForPath(String path) {
        return path.equals(base) ? SHARED : getDefaultAcl();
    }

    /// Returns whether a node admits this user and no one else.
    boolean isOwn(List<ACL> found) {
        return found.equals(List.of(new ACL(ZooDefs.Perms.ALL, id())));
    }

    private Id id() {
        return switch (auth.scheme()) {
            case SASL -> new Id("sasl", auth.user());
            case DIGEST -> new Id("digest", digest());
        };
    }

    private String digest() {
        try {
            return DigestAuthenticationProvider.generateDigest(auth.user() + ":" + auth.password());
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every Java platform has SHA-1", e);
        }
    }
}
