// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster;

import dev.lockstep.cluster.process.ProcessKeys;
import dev.lockstep.cluster.process.Settings;
import dev.lockstep.cluster.process.SettingsSpec;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/// Three ZooKeeper servers that vote, each a process of its own on loopback, as an operator runs
/// them. Clients prove a user to them by the scheme `digest`. The test closes it; servers of a test
/// that is killed end, too.
public final class ZooKeeperEnsemble implements AutoCloseable {
    private static final int SERVERS = 3;
    private static final int TIMEOUT_MILLIS = 5_000;

    private final Path folder;
    private final int clientPort = ReservedPorts.next(SERVERS);
    private final Process[] processes = new Process[SERVERS];

    private ZooKeeperEnsemble(Path folder) {
        this.folder = folder;
    }

    /// Starts the servers and waits until they have a leader.
    ///
    /// @param folder of their logs and data, which exists
    public static ZooKeeperEnsemble start(Path folder) throws Exception {
        var ensemble = new ZooKeeperEnsemble(folder);
        try {
            ensemble.configure();
            for (int server = 0; server < SERVERS; server++) {
                ensemble.startServer(server);
            }
            ensemble.awaitServing(SERVERS);
        } catch (Exception | AssertionError e) {
            ensemble.close();
            throw e;
        }
        return ensemble;
    }

    private void configure() throws IOException {
        Files.createFile(
                userFile(),
                PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
        Files.writeString(userFile(), "digest lockstep:of-the-ensemble\n");
        int quorumPort = ReservedPorts.next(SERVERS);
        int electionPort = ReservedPorts.next(SERVERS);
        String servers =
                IntStream.range(0, SERVERS)
                        .mapToObj(
                                server ->
                                        "server.%d=127.0.0.1:%d:%d\n"
                                                .formatted(
                                                        server + 1,
                                                        quorumPort + server,
                                                        electionPort + server))
                        .collect(Collectors.joining());
        for (int server = 0; server < SERVERS; server++) {
            Path data = Files.createDirectory(folder.resolve("zookeeper-data-" + server));
            Files.writeString(data.resolve("myid"), server + 1 + "\n");
            Files.writeString(
                    configuration(server),
                    """
                    tickTime=1000
                    initLimit=10
                    syncLimit=3
                    forceSync=no
                    preAllocSize=1024
                    admin.enableServer=false
                    dataDir=%s
                    clientPortAddress=127.0.0.1
                    clientPort=%d
                    """
                                    .formatted(data, clientPort + server)
                            + servers);
        }
    }

    private Path configuration(int server) {
        return folder.resolve("zookeeper-%d.cfg".formatted(server));
    }

    /// Starts a server, for the first time or again with the data that it has.
    public void startServer(int server) throws IOException {
        processes[server] =
                new ProcessBuilder(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-Xmx64m",
                                "-XX:+UseSerialGC",
                                "-XX:TieredStopAtLevel=1",
                                "-cp",
                                System.getProperty("java.class.path"),
                                ZooKeeperEnsembleServer.class.getName(),
                                configuration(server).toString())
                        .redirectErrorStream(true)
                        .redirectOutput(
                                ProcessBuilder.Redirect.appendTo(
                                        folder.resolve("zookeeper-%d.out".formatted(server))
                                                .toFile()))
                        .start();
    }

    /// Kills a server.
    public void kill(int server) throws InterruptedException {
        processes[server].destroyForcibly().waitFor();
    }

    /// Waits until so many servers serve clients.
    public void awaitServing(int count) throws InterruptedException {
        Eventually.await(
                () -> count + " servers serve, but they are " + modes(),
                () -> modes().stream().filter(ZooKeeperEnsemble::serves).count() == count);
    }

    private static boolean serves(String mode) {
        return mode.equals("leader") || mode.equals("follower");
    }

    /// Returns the server that leads, once there is one.
    public int leader() throws InterruptedException {
        Eventually.await(() -> "one leads, but they are " + modes(), () -> find().isPresent());
        return find().orElseThrow();
    }

    /// Returns a server that follows, once there is a leader.
    public int follower() throws InterruptedException {
        return (leader() + 1) % SERVERS;
    }

    private OptionalInt find() {
        List<String> modes = modes();
        return IntStream.range(0, SERVERS)
                .filter(server -> modes.get(server).equals("leader"))
                .findFirst();
    }

    private List<String> modes() {
        return IntStream.range(0, SERVERS).mapToObj(this::mode).toList();
    }

    /// Returns what a server says of itself, or why it says nothing.
    private String mode(int server) {
        try (var socket = new Socket(InetAddress.getLoopbackAddress(), clientPort + server)) {
            socket.setSoTimeout(TIMEOUT_MILLIS);
            socket.getOutputStream().write("srvr".getBytes(StandardCharsets.US_ASCII));
            InputStream in = socket.getInputStream();
            return new String(in.readAllBytes(), StandardCharsets.US_ASCII)
                    .lines()
                    .filter(line -> line.startsWith("Mode: "))
                    .map(line -> line.substring("Mode: ".length()))
                    .findFirst()
                    .orElse("without a quorum");
        } catch (IOException e) {
            return e.toString();
        }
    }

    /// Returns the addresses in the form that [ZooKeeperCluster#connect] accepts.
    public String connectString() {
        return IntStream.range(0, SERVERS)
                .mapToObj(server -> "127.0.0.1:" + (clientPort + server))
                .collect(Collectors.joining(","));
    }

    /// Returns the file that names a user of these servers.
    public Path userFile() {
        return folder.resolve("zookeeper-user");
    }

    /// Returns the access of processes that have [#userFile] and this secret.
    public ClusterAccess access(Path secretFile) {
        return ClusterAccess.of(
                Settings.parse(
                        SettingsSpec.of(
                                ProcessKeys.ZOOKEEPER_AUTH, ProcessKeys.CLUSTER_SECRET_FILE),
                        List.of(
                                "--zookeeper-auth=" + userFile(),
                                "--cluster-secret-file=" + secretFile),
                        Map.of()));
    }

    @Override
    public void close() {
        List<Process> started = new ArrayList<>();
        for (Process process : processes) {
            if (process != null) {
                started.add(process.destroyForcibly());
            }
        }
        started.forEach(process -> process.onExit().join());
    }
}
