// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.OwnerOnly;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.logging.log4j.LogManager;
import org.apache.logging.log4j.Logger;
import org.apache.zookeeper.server.AuthenticationHelper;
import org.apache.zookeeper.server.PurgeTxnLog;
import org.apache.zookeeper.server.ServerCnxnFactory;
import org.apache.zookeeper.server.ZooKeeperSaslServer;
import org.apache.zookeeper.server.ZooKeeperServer;
import org.apache.zookeeper.server.auth.SASLAuthenticationProvider;
import org.apache.zookeeper.server.persistence.FileTxnSnapLog;

/// A ZooKeeper server inside this process: one host, no ensemble. The caller that starts it closes
/// it.
///
/// It admits clients that know the cluster's secret and no others; passwords are proved, not sent,
/// but content is sent in the clear.
public final class EmbeddedZooKeeper implements AutoCloseable {

    public static final String LOOPBACK = "127.0.0.1";

    /// ZooKeeper grants session time-outs of 2 to 20 ticks.
    private static final int TICK_MILLIS = 1000;

    private static final int MAX_CONNECTIONS = 1024;
    private static final int SNAPSHOTS_KEPT = 3;
    private static final Logger LOG = LogManager.getLogger(EmbeddedZooKeeper.class);

    static {
        // ZooKeeper's classes read these once. The content is rebuilt from the processes after a
        // power loss, so syncing each write to the disk has no benefit; the log grows by 1 MB, not
        // 64; few clients need few threads.
        setUnlessSet("zookeeper.forceSync", "no");
        setUnlessSet("zookeeper.preAllocSize", "1024");
        setUnlessSet("zookeeper.nio.numSelectorThreads", "1");
        setUnlessSet("zookeeper.nio.numWorkerThreads", "1");
        System.setProperty("zookeeper.admin.enableServer", "false");
        // Leaves "srvr", which ZooKeeper always answers: its version and some counters.
        System.setProperty("zookeeper.4lw.commands.whitelist", "");
        System.setProperty(
                "zookeeper.authProvider.sasl", SASLAuthenticationProvider.class.getName());
        System.setProperty(AuthenticationHelper.SESSION_REQUIRE_CLIENT_SASL_AUTH, "true");
    }

    private final String host;
    private final FileTxnSnapLog files;
    private final ZooKeeperServer server;
    private final ServerCnxnFactory connections;

    private EmbeddedZooKeeper(
            String host,
            FileTxnSnapLog files,
            ZooKeeperServer server,
            ServerCnxnFactory connections) {
        this.host = host;
        this.files = files;
        this.server = server;
        this.connections = connections;
    }

    private static void setUnlessSet(String property, String value) {
        if (System.getProperty(property) == null) {
            System.setProperty(property, value);
        }
    }

    /// Starts a server on loopback.
    ///
    /// @param access names the only client that it admits
    /// @param data folder for its logs and snapshots, created for its owner alone if missing. A
    ///   folder of an earlier run restores its counters, but also its dead processes: for 6 s their
    ///   members are listed and their contenders are first in elections. A launcher that starts
    ///   every process anew passes a new folder.
    /// @param port 0 for any free one
    public static EmbeddedZooKeeper start(Path data, int port, ClusterAccess access) {
        return start(data, LOOPBACK, port, access);
    }

    /// Starts a server.
    ///
    /// @param host address to listen on
    /// @throws UncheckedIOException naming address or folder when one of them cannot be used
    public static EmbeddedZooKeeper start(Path data, String host, int port, ClusterAccess access) {
        ServerCnxnFactory connections = listen(host, port, access);
        try {
            Files.createDirectories(data, OwnerOnly.FOLDER);
            PurgeTxnLog.purge(data.toFile(), data.toFile(), SNAPSHOTS_KEPT);
            var files = new FileTxnSnapLog(data.toFile(), data.toFile());
            var server = new ZooKeeperServer(files, TICK_MILLIS, "");
            connections.startup(server);
            var started = new EmbeddedZooKeeper(host, files, server, connections);
            LOG.info("ZooKeeper listens on {}, data in {}", started.connectString(), data);
            return started;
        } catch (IOException e) {
            connections.shutdown();
            throw new UncheckedIOException(
                    new IOException(
                            "ZooKeeper cannot use its data folder " + data + ": " + e.getMessage(),
                            e));
        } catch (InterruptedException e) {
            connections.shutdown();
            Thread.currentThread().interrupt();
            throw new IllegalStateException("interrupted while ZooKeeper started", e);
        }
    }

    private static synchronized ServerCnxnFactory listen(
            String host, int port, ClusterAccess access) {
        try {
            // The server reads the name of its section from here, once.
            System.setProperty(
                    ZooKeeperSaslServer.LOGIN_CONTEXT_NAME_KEY,
                    ZooKeeperLogins.server(access.zooKeeper()));
            return ServerCnxnFactory.createFactory(
                    new InetSocketAddress(host, port), MAX_CONNECTIONS);
        } catch (IOException | IllegalArgumentException e) {
            throw new UncheckedIOException(
                    new IOException(
                            "ZooKeeper cannot listen on "
                                    + host
                                    + ":"
                                    + port
                                    + ": "
                                    + e.getMessage(),
                            e));
        }
    }

    public int port() {
        return connections.getLocalPort();
    }

    /// Returns the address in the form that [ZooKeeperCluster#connect] accepts.
    public String connectString() {
        return host + ":" + port();
    }

    /// Ends a session as its timeout would, for tests.
    void expire(long session) {
        server.closeSession(session);
    }

    @Override
    public void close() {
        connections.shutdown();
        try {
            files.close();
        } catch (IOException e) {
            LOG.warn("ZooKeeper's files were not closed", e);
        }
    }
}
