// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.cluster.Cluster;
import dev.lockstep.cluster.ClusterAccess;
import dev.lockstep.cluster.ClusterSecret;
import dev.lockstep.cluster.Member;
import dev.lockstep.cluster.MemberAddress;
import dev.lockstep.cluster.MemberChannel;
import dev.lockstep.cluster.SocketIo;
import dev.lockstep.cluster.ZooKeeperCluster;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.proto.v1.Join;
import dev.lockstep.proto.v1.SchedulerMessage;
import dev.lockstep.proto.v1.WorkerGrpc;
import dev.lockstep.proto.v1.WorkerMessage;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;

/// What a cluster shows to other users of its host and to other hosts: the public port, and nothing
/// else.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(LogsOnFailure.class)
final class AccessIT {
    private static final JsonNode SMALL = CompletionBodies.greedy(List.of(9, 8, 7), 8);
    private static final Pattern ZOOKEEPER = Pattern.compile("--zookeeper=([0-9.:]+)");
    private static final Pattern PORT = Pattern.compile("OpenAI API +http://[^:]+:(\\d+)/v1");
    private static final Path PROC = Path.of("/proc");

    private final Sandbox sandbox = Sandbox.quick();
    private final EventLoopGroup loop = SocketIo.eventLoop();
    private final Path model = Models.tiny(sandbox, 4);

    @SuppressWarnings("NullAway.Init") // set before all
    private ServedCluster cluster;

    @BeforeAll
    void start() throws Exception {
        // Its files protect themselves.
        Files.setPosixFilePermissions(
                sandbox.folder(), PosixFilePermissions.fromString("rwxr-xr-x"));
        cluster = ServedCluster.start(sandbox, model, "--tensor-parallel=2");
    }

    @AfterAll
    void close() {
        var _ = loop.shutdownGracefully();
        cluster.close();
    }

    private static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    @Test
    void anotherUserCanOpenNoFileOfTheCluster() throws Exception {
        assumeTrue(isRoot(), "skipped: only root can start a process as another user");
        List<Path> files = new ArrayList<>();
        try (Stream<Path> inRunFolder = Files.walk(sandbox.folder());
                Stream<Path> shared = Files.list(Path.of("/dev/shm"))) {
            inRunFolder
                    .filter(file -> !Files.isDirectory(file))
                    .filter(file -> file.toString().matches(".*(\\.sock|\\.err|\\.log|secret)"))
                    // The test itself redirects the output of the launcher.
                    .filter(file -> !file.endsWith("serve.err"))
                    .forEach(files::add);
            shared.filter(file -> file.toString().contains(sandbox.group())).forEach(files::add);
        }
        assertTrue(files.stream().filter(file -> file.toString().endsWith(".sock")).count() >= 3);
        assertTrue(files.stream().anyMatch(file -> file.endsWith("cluster-secret")));
        for (String command : List.of("scheduler", "worker", "coordinator")) {
            files.add(PROC.resolve(Long.toString(sandbox.processIdOf(command))).resolve("environ"));
        }
        for (Path file : files) {
            assertTrue(
                    asNobody("! head -c 1 \"$0\" >/dev/null && ! [ -w \"$0\" ]", file),
                    file::toString);
        }
        assertTrue(asNobody("[ -d \"$0\" ]", sandbox.folder()), "nobody sees the folder itself");
    }

    private static boolean asNobody(String script, Path file) throws Exception {
        Process process =
                new ProcessBuilder(
                                "setpriv",
                                "--reuid=nobody",
                                "--regid=nogroup",
                                "--clear-groups",
                                "bash",
                                "-c",
                                script,
                                file.toString())
                        .redirectErrorStream(true)
                        .start();
        process.getInputStream().readAllBytes();
        return process.waitFor() == 0;
    }

    @Test
    void whoDoesNotKnowTheSecretIsRefusedByZooKeeperAndByWorkers() throws Exception {
        ClusterAccess stranger = ClusterAccess.of(ClusterSecret.random());
        try (Cluster foreign = ZooKeeperCluster.connect(zooKeeper(), "default", stranger)) {
            foreign.register(
                    Member.scheduler(sandbox.group(), "127.0.0.1", 9, incarnation())
                            .withState(Member.State.READY));
            String refusal =
                    assertThrows(IllegalStateException.class, foreign::blockHashKey).toString();
            assertTrue(refusal.contains("does not admit"), refusal);
        }
        try (Cluster own = own()) {
            for (Member worker : workers(own)) {
                assertEquals(
                        Status.Code.UNAUTHENTICATED,
                        join(worker, stranger, Long.MAX_VALUE).getCode());
            }
        }
        assertServes();
    }

    @Test
    void forgedMembersAndEpochsAreSeenByNoClient() throws Exception {
        try (var load = new BackgroundLoad(cluster.api(), SMALL, 2);
                Cluster own = own()) {
            for (MemberAddress address :
                    List.of(
                            MemberAddress.tcp("127.0.0.1", 9),
                            MemberAddress.tcp("no-such-host.invalid", 9),
                            MemberAddress.unix(Path.of("/nonexistent/socket")))) {
                own.register(
                        Member.scheduler(sandbox.group(), address, incarnation())
                                .withState(Member.State.READY));
            }
            for (Member worker : workers(own)) {
                for (long epoch : new long[] {1_000_000, Long.MAX_VALUE}) {
                    Status refusal = join(worker, access(), epoch);
                    assertEquals(Status.Code.UNAVAILABLE, refusal.getCode());
                    assertTrue(refusal.toString().contains("not given out"), refusal::toString);
                }
            }
            int served = load.count("ok");
            BoundedWait.await("the group serves", () -> load.count("ok") > served + 20);
            assertEquals(Set.of("ok"), load.outcomes().keySet(), load.outcomes()::toString);
        }
    }

    private void assertServes() {
        cluster.api().post(CompletionBodies.COMPLETIONS, SMALL).ok();
    }

    private static String incarnation() {
        return Randomness.secure().nextIncarnation();
    }

    private ClusterAccess access() throws IOException {
        try (Stream<Path> files = Files.walk(sandbox.folder())) {
            return ClusterAccess.of(
                    ClusterSecret.read(
                            files.filter(file -> file.endsWith("cluster-secret"))
                                    .findFirst()
                                    .orElseThrow()));
        }
    }

    private Cluster own() throws IOException {
        return ZooKeeperCluster.connect(zooKeeper(), "default", access());
    }

    private String zooKeeper() throws IOException {
        String line =
                Files.readString(
                        PROC.resolve(Long.toString(sandbox.processIdOf("scheduler")))
                                .resolve("cmdline"));
        Matcher address = ZOOKEEPER.matcher(line);
        assertTrue(address.find(), line);
        return address.group(1);
    }

    private List<Member> workers(Cluster own) throws Exception {
        return BoundedWait.find(
                () -> "both workers are announced",
                () ->
                        Optional.of(
                                        own.membership()
                                                .snapshot()
                                                .members(Member.Role.WORKER, sandbox.group()))
                                .filter(members -> members.size() == 2));
    }

    /// Sends a Join and returns how the worker ends the stream.
    private Status join(Member worker, ClusterAccess access, long epoch) throws Exception {
        var end = new CompletableFuture<Status>();
        ManagedChannel channel = MemberChannel.to(worker, access, loop).build();
        try {
            StreamObserver<SchedulerMessage> out =
                    WorkerGrpc.newStub(channel)
                            .attach(
                                    new StreamObserver<>() {
                                        @Override
                                        public void onNext(WorkerMessage message) {}

                                        @Override
                                        public void onError(Throwable failure) {
                                            end.complete(Status.fromThrowable(failure));
                                        }

                                        @Override
                                        public void onCompleted() {
                                            end.complete(Status.OK);
                                        }
                                    });
            out.onNext(
                    SchedulerMessage.newBuilder()
                            .setJoin(
                                    Join.newBuilder()
                                            .setGroup(sandbox.group())
                                            .setRank(worker.rank())
                                            .setSize(worker.size())
                                            .setEpoch(epoch))
                            .build());
            return end.get(BoundedWait.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
        } finally {
            channel.shutdownNow();
        }
    }

    @Test
    void onlyThePublicPortAcceptsFromOutside() throws Exception {
        assumeTrue(isRoot(), "skipped: only root can make a network namespace");
        assumeTrue(run("unshare", "-n", "true"), "skipped: no network namespace can be made");
        assumeTrue(run("ip", "-V"), "skipped: the command ip is missing");
        try (Sandbox apart = Sandbox.quick()) {
            List<String> flags = new ArrayList<>(ServedCluster.flags(apart, model));
            flags.addAll(List.of("--host=0.0.0.0", "--insecure-bind"));
            LockstepProcess launcher =
                    apart.start(
                            "serve",
                            "serve",
                            flags,
                            List.of(
                                    "unshare",
                                    "-n",
                                    "sh",
                                    "-c",
                                    "ip link set lo up && exec \"$0\" \"$@\""));
            int port =
                    BoundedWait.find(
                            () -> "serve prints its address",
                            () -> {
                                assertTrue(launcher.isAlive(), () -> "ended: " + launcher.errors());
                                return Optional.of(PORT.matcher(launcher.output()))
                                        .filter(Matcher::find)
                                        .map(found -> Integer.valueOf(found.group(1)));
                            });
            String inside = connect(apart.processIdOf("serve"));
            Set<Integer> listening = listening(apart.processIdOf("serve"));
            assertTrue(listening.size() >= 2, listening::toString);
            Set<Integer> open = new HashSet<>();
            for (int each : listening) {
                if (accepts(inside, each)) {
                    open.add(each);
                }
            }
            assertEquals(Set.of(port), open);
        }
    }

    /// Connects the network namespace of a process to this one and returns its address. The link
    /// vanishes with the namespace.
    private static String connect(long pid) throws Exception {
        int net = ThreadLocalRandom.current().nextInt(256);
        String here = "lockstep-" + net;
        String process = Long.toString(pid);
        String inside = "10.211." + net + ".2";
        for (List<String> command :
                List.of(
                        List.of(
                                "ip", "link", "add", here, "type", "veth", "peer", "name",
                                "outside", "netns", process),
                        List.of("ip", "addr", "add", "10.211." + net + ".1/30", "dev", here),
                        List.of("ip", "link", "set", here, "up"),
                        List.of(
                                "nsenter",
                                "-t",
                                process,
                                "-n",
                                "ip",
                                "addr",
                                "add",
                                inside + "/30",
                                "dev",
                                "outside"),
                        List.of(
                                "nsenter", "-t", process, "-n", "ip", "link", "set", "outside",
                                "up"))) {
            assertTrue(run(command.toArray(String[]::new)), command::toString);
        }
        return inside;
    }

    /// Returns the ports of all listeners in the network namespace of a process.
    private static Set<Integer> listening(long pid) throws IOException {
        Set<Integer> ports = new HashSet<>();
        for (String table : List.of("tcp", "tcp6")) {
            Path file = PROC.resolve(Long.toString(pid)).resolve("net").resolve(table);
            for (String line : Files.readAllLines(file)) {
                String[] words = line.strip().split("\\s+", -1);
                // 0A: a listener.
                if (words[3].equals("0A")) {
                    String port = words[1].substring(words[1].lastIndexOf(':') + 1);
                    ports.add(Integer.parseInt(port, 16));
                }
            }
        }
        return ports;
    }

    private static boolean accepts(String host, int port) {
        try (var socket = new Socket()) {
            socket.connect(new InetSocketAddress(host, port), 5000);
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    private static boolean run(String... command) throws Exception {
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            process.getInputStream().readAllBytes();
            return process.waitFor() == 0;
        } catch (IOException e) {
            return false;
        }
    }
}
