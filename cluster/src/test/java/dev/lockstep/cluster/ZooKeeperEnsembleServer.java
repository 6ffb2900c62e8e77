// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import java.io.IOException;
import java.io.OutputStream;
import org.apache.zookeeper.server.quorum.QuorumPeerMain;

/// The process of one server of a [ZooKeeperEnsemble]. It ends with its standard input, which is a
/// pipe from the process that started it.
final class ZooKeeperEnsembleServer {
    private ZooKeeperEnsembleServer() {}

    public static void main(String[] arguments) {
        Thread.ofPlatform().daemon().start(ZooKeeperEnsembleServer::endWithInput);
        QuorumPeerMain.main(arguments);
    }

    private static void endWithInput() {
        try {
            System.in.transferTo(OutputStream.nullOutputStream());
        } catch (IOException e) {
            // Then it has ended.
        }
        Runtime.getRuntime().halt(1);
    }
}
