// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import dev.lockstep.cli.launch.ProcessStart;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.EmbeddedZooKeeper;
import dev.lockstep.cluster.process.ExitCode;
import dev.lockstep.cluster.process.Key;
import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import java.time.Duration;
import java.util.List;

/// Runs one ZooKeeper server, for clusters whose processes are started one by one.
final class ZooKeeperCommand extends Command {
    private static final Key<String> HOST =
            Key.text("internal-host", "ADDRESS", "the address to listen on")
                    .orElse(EmbeddedZooKeeper.LOOPBACK);

    private static final Key<Integer> PORT =
            Key.integer("port", 0, 65535, "the port to listen on; 0 chooses a free one")
                    .orElse("2181");

    private static final Key<String> DATA =
            Key.text("data", "FOLDER", "the folder of its log and snapshots")
                    .orElseComputed("a temporary folder, removed at the end");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(
                    HOST,
                    PORT,
                    DATA,
                    ProcessKeys.CLUSTER_SECRET_FILE,
                    ProcessKeys.ZOOKEEPER_AUTH,
                    ProcessKeys.PARENT_PIPE);

    ZooKeeperCommand() {
        super("zookeeper", "[--key=value …]", "run one standalone ZooKeeper server", SPEC);
    }

    @Override
    int run(List<String> arguments) {
        ProcessStart start = ProcessStart.of(name(), settings(arguments), Duration.ofSeconds(5));
        Settings settings = start.settings();
        EmbeddedZooKeeper server =
                start.daemon()
                        .own(
                                EmbeddedZooKeeper.start(
                                        start.folder(DATA, name()),
                                        settings.value(HOST),
                                        settings.value(PORT),
                                        ClusterAccess.of(settings)));
        System.out.println("ZooKeeper listens at " + server.connectString());
        start.daemon().run();
        return ExitCode.OK;
    }
}
