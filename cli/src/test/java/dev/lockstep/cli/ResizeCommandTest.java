// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.cli.console.UnusableException;
import dev.lockstep.cluster.process.SettingsException;
import dev.lockstep.proto.v1.AdminGrpc;
import dev.lockstep.proto.v1.ResizeRequest;
import dev.lockstep.proto.v1.ResizeResponse;
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

class ResizeCommandTest {
    /// Records what it is asked.
    private static final class Coordinator extends AdminGrpc.AdminImplBase {
        final List<String> asked = Collections.synchronizedList(new ArrayList<>());

        @Override
        public void resize(ResizeRequest request, StreamObserver<ResizeResponse> observer) {
            if (request.getRanks() > 8) {
                observer.onError(
                        Status.FAILED_PRECONDITION
                                .withDescription("must be between 1 and the model's 8 query heads")
                                .asRuntimeException());
                return;
            }
            asked.add(request.getGroup() + " " + request.getRanks());
            observer.onNext(ResizeResponse.getDefaultInstance());
            observer.onCompleted();
        }
    }

    @Test
    void aGroupIsResizedOrSaysWhyNot() throws Exception {
        var coordinator = new Coordinator();
        Server server =
                NettyServerBuilder.forAddress(
                                new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                        .addService(coordinator)
                        .build()
                        .start();
        try {
            String to = "--coordinator=127.0.0.1:" + server.getPort();
            var command = new ResizeCommand();
            assertEquals(0, command.run(List.of(to, "--ranks=2", "a")));
            assertEquals(List.of("a 2"), coordinator.asked);
            UnusableException refused =
                    assertThrows(
                            UnusableException.class,
                            () -> command.run(List.of(to, "--ranks=9", "a")));
            assertTrue(
                    String.valueOf(refused.getMessage())
                            .endsWith(": must be between 1 and the model's 8 query heads"),
                    refused.getMessage());
            for (List<String> wrong :
                    List.of(
                            List.of(to, "--ranks=2"),
                            List.of(to, "a"),
                            List.of(to, "--ranks=0", "a"))) {
                assertThrows(SettingsException.class, () -> command.run(wrong), wrong::toString);
            }
        } finally {
            server.shutdownNow();
        }
    }
}
