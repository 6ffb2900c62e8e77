// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import org.apache.curator.utils.ZookeeperFactory;
import org.apache.zookeeper.WatchedEvent;
import org.apache.zookeeper.Watcher;
import org.apache.zookeeper.ZooKeeper;
import org.apache.zookeeper.client.ZKClientConfig;
import org.jspecify.annotations.Nullable;

/// The client of ZooKeeper that Curator uses now, replaced when it has ended without a word.
///
/// A connection that breaks in the moment of its login, and a login that fails, end a client for
/// good, and Curator waits for an event that does not come: it takes the client for connected.
final class ZooKeeperHandle implements ZookeeperFactory {
    private final ZookeeperFactory factory;

    // Guarded by this.
    private @Nullable ZooKeeper client;
    private @Nullable Watcher curator;

    /// @param factory makes the clients
    ZooKeeperHandle(ZookeeperFactory factory) {
        this.factory = factory;
    }

    @Override
    public ZooKeeper newZooKeeper(
            String servers, int sessionTimeout, Watcher watcher, boolean canBeReadOnly)
            throws Exception {
        return made(factory.newZooKeeper(servers, sessionTimeout, watcher, canBeReadOnly), watcher);
    }

    @Override
    public ZooKeeper newZooKeeper(
            String servers,
            int sessionTimeout,
            Watcher watcher,
            boolean canBeReadOnly,
            ZKClientConfig config)
            throws Exception {
        return made(
                factory.newZooKeeper(servers, sessionTimeout, watcher, canBeReadOnly, config),
                watcher);
    }

    private synchronized ZooKeeper made(ZooKeeper made, Watcher watcher) {
        client = made;
        curator = watcher;
        return made;
    }

    /// Tells Curator that the session has ended if the client has, which makes it connect anew and
    /// every election join again. Returns whether it had.
    boolean replaceEnded() {
        Watcher told;
        synchronized (this) {
            if (client == null || client.getState().isAlive()) {
                return false;
            }
            told = curator;
        }
        if (told != null) {
            told.process(
                    new WatchedEvent(
                            Watcher.Event.EventType.None, Watcher.Event.KeeperState.Expired, null));
        }
        return true;
    }
}
