// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.DrainState;
import dev.lockstep.proto.v1.DrainTarget;
import io.grpc.Server;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;

class DrainCommandTest {
    /// Records what it is asked.
    private static final class Coordinator extends AdminGrpc.AdminImplBase {
        final List<String> asked = Collections.synchronizedList(new ArrayList<>());

        @Override
        public void drain(DrainTarget target, StreamObserver<DrainState> observer) {
            if (target.getGroup().equals("nowhere")) {
                observer.onError(
                        Status.NOT_FOUND.withDescription("no such group").asRuntimeException());
                return;
            }
            answer("drain", target, observer);
        }

        @Override
        public void undrain(DrainTarget target, StreamObserver<DrainState> observer) {
            answer("undrain", target, observer);
        }

        @Override
        public void drainStatus(DrainTarget target, StreamObserver<DrainState> observer) {
            answer("status", target, observer);
        }

        private void answer(String what, DrainTarget target, StreamObserver<DrainState> observer) {
            asked.add(what + " " + target.getGroup() + target.getMember());
            observer.onNext(DrainState.getDefaultInstance());
            observer.onCompleted();
        }
    }

    @Test
    void aGroupOrAMemberIsDrainedBroughtBackOrLookedAt() throws Exception {
        var coordinator = new Coordinator();
        Server server =
                NettyServerBuilder.forAddress(
                                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                        .addService(coordinator)
                        .build()
                        .start();
        try {
            String to = "--coordinator=127.0.0.1:" + server.getPort();
            var command = new DrainCommand();
            assertEquals(0, command.run(List.of(to, "a")));
            assertEquals(0, command.run(List.of(to, "--undo", "127.0.0.1:8000")));
            assertEquals(0, command.run(List.of(to, "--state", "/run/worker-1")));
            assertEquals(
                    List.of("drain a", "undrain 127.0.0.1:8000", "status /run/worker-1"),
                    coordinator.asked);
            UnusableException refused =
                    assertThrows(
                            UnusableException.class, () -> command.run(List.of(to, "nowhere")));
            assertTrue(
                    String.valueOf(refused.getMessage()).endsWith(": no such group"),
                    refused.getMessage());
            assertThrows(SettingsException.class, () -> command.run(List.of(to)));
        } finally {
            server.shutdownNow();
        }
    }

    @Test
    void theStateIsALine() {
        DrainState.Builder state = DrainState.newBuilder().setOpen(2);
        assertEquals("in service, 2 open", DrainCommand.line(state.build()));
        assertEquals("draining, 2 open", DrainCommand.line(state.setDraining(true).build()));
        assertEquals("drained", DrainCommand.line(state.setOpen(0).setDrained(true).build()));
    }
}
