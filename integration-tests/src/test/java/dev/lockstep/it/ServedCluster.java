// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cluster.LoadAwareClock;
import dev.lockstep.proto.v1.GroupStatus;
import java.io.IOException;
import java.net.BindException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/// A cluster started by `lockstep serve`, ready for requests. The test closes it.
final class ServedCluster implements AutoCloseable {
    private static final Pattern ADDRESS =
            Pattern.compile("OpenAI API +http://127.0.0.1:(\\d+)/v1");

    /// The name of the model in requests.
    static final String MODEL = "served";

    private final Sandbox sandbox;
    private final LockstepProcess launcher;
    private final Api api;
    private final Admin admin;

    private ServedCluster(Sandbox sandbox, LockstepProcess launcher, int port) {
        this.sandbox = sandbox;
        this.launcher = launcher;
        this.api = new Api(port);
        this.admin = new Admin(port);
    }

    /// Starts `lockstep serve` with additional flags and waits until it reports that it serves.
    /// Closing the cluster closes the sandbox.
    static ServedCluster start(Sandbox sandbox, Path model, String... flags) throws Exception {
        return startBy(List.of(), sandbox, model, flags);
    }

    /// Starts it by another command, whose last arguments are `serve`.
    static ServedCluster startBy(List<String> by, Sandbox sandbox, Path model, String... flags)
            throws Exception {
        try {
            return started(by, sandbox, model, flags);
        } catch (Exception | AssertionError e) {
            sandbox.close();
            throw e;
        }
    }

    private static ServedCluster started(
            List<String> by, Sandbox sandbox, Path model, String... flags) throws Exception {
        LockstepProcess launcher =
                sandbox.start("serve", "serve", flags(sandbox, model, flags), by);
        int port =
                BoundedWait.find(
                        () -> "serve prints its address",
                        () -> {
                            assertTrue(launcher.isAlive(), () -> "ended: " + launcher.errors());
                            Matcher address = ADDRESS.matcher(launcher.output());
                            return address.find()
                                    ? Optional.of(Integer.valueOf(address.group(1)))
                                    : Optional.empty();
                        });
        var cluster = new ServedCluster(sandbox, launcher, port);
        assertTrue(cluster.api.isReady(), "serve reports ready only when it is");
        return cluster;
    }

    /// Returns the flags of `serve` in a sandbox.
    static List<String> flags(Sandbox sandbox, Path model, String... further) {
        List<String> flags = new ArrayList<>();
        flags.add("--model=" + model);
        flags.add("--served-model-name=" + MODEL);
        flags.add("--run-folder=" + sandbox.folder());
        flags.add("--group=" + sandbox.group());
        if (Stream.of(further).noneMatch(flag -> flag.startsWith("--port="))) {
            flags.add("--port=0");
        }
        if (Stream.of(further).noneMatch("--device=cuda"::equals)) {
            flags.addAll(sandbox.threads());
        }
        flags.addAll(List.of(further));
        return flags;
    }

    Sandbox sandbox() {
        return sandbox;
    }

    LockstepProcess launcher() {
        return launcher;
    }

    Api api() {
        return api;
    }

    Admin admin() {
        return admin;
    }

    /// Returns the status of the only group.
    GroupStatus group() {
        return admin.group(sandbox.group()).orElseThrow();
    }

    /// Returns whether the only group serves in a later epoch than then.
    boolean isReadyAfter(GroupStatus then) {
        return api.isReady()
                && admin.group(sandbox.group())
                        .filter(group -> group.getReady() && group.getEpoch() > then.getEpoch())
                        .isPresent();
    }

    /// Waits until no process and no shared memory is left, until `clock` shows more than `limit`;
    /// then the port must be free.
    void awaitNothingLeft(Duration limit, LoadAwareClock clock) throws Exception {
        sandbox.awaitNothingLeft(limit, clock);
        // The system may lend it to a connection of another test for a moment.
        BoundedWait.await("the port is free", this::isPortFree);
    }

    private boolean isPortFree() throws IOException {
        try (var socket = new ServerSocket()) {
            socket.setReuseAddress(true);
            socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), api.port()));
            return true;
        } catch (BindException e) {
            return false;
        }
    }

    @Override
    public void close() {
        admin.close();
        api.close();
        sandbox.close();
    }
}
