package dev.lockstep.cli;

import dev.lockstep.cluster.Daemon;
import dev.lockstep.cluster.EmbeddedZooKeeper;
import dev.lockstep.cluster.ExitCode;
import dev.lockstep.cluster.Key;
import dev.lockstep.cluster.ProcessKeys;
import dev.lockstep.cluster.Settings;
import dev.lockstep.cluster.SettingsSpec;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/// Runs one ZooKeeper server, for clusters whose processes are started by hand.
final class ZooKeeperCommand implements Command {
    private static final Key<Integer> PORT =
            Key.integer("port", 0, 65535, "the port to listen on; 0 takes a free one")
                    .orElse("2181");

    private static final Key<String> DATA =
            Key.text("data", "FOLDER", "where it keeps its log and snapshots")
                    .orElseComputed("a temporary folder, removed at the end");

    private static final SettingsSpec SPEC =
            SettingsSpec.of(ProcessKeys.HOST, PORT, DATA, ProcessKeys.PARENT_PIPE);

    @Override
    public String name() {
        return "zookeeper";
    }

    @Override
    public String summary() {
        return "run one ZooKeeper server by itself";
    }

    @Override
    public String help() {
        return "Usage: lockstep zookeeper [--key=value …]\n\n" + SPEC.help();
    }

    @Override
    public int run(List<String> arguments) {
        Settings settings = Settings.parse(SPEC, arguments, System.getenv());
        Daemon daemon = new Daemon("zookeeper", Duration.ofSeconds(5));
        if (settings.value(ProcessKeys.PARENT_PIPE)) {
            daemon.watchParentPipe();
        }
        RunFolder folder = RunFolder.of(settings, DATA);
        daemon.atEnd(reason -> folder.remove());
        Path data = folder.path();
        EmbeddedZooKeeper server =
                daemon.own(
                        EmbeddedZooKeeper.start(
                                data, settings.value(ProcessKeys.HOST), settings.value(PORT)));
        System.out.println("ZooKeeper listens at " + server.connectString());
        daemon.run();
        return ExitCode.OK;
    }
}
