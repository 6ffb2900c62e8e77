// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.cluster.process.StopReason;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.ListModelsRequest;
import dev.lockstep.proto.v1.TokenizeRequest;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.NettyChannelBuilder;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

final class RpcFailureTest {
    @Test
    void aFailureOfTheCoordinatorIsAnInternalErrorThatSaysNothingAboutIt() throws Exception {
        var coordinator =
                new Coordinator(
                        TestCoordinator.config(Path.of("unused"), 0),
                        TestCoordinator.ACCESS,
                        CompletableFuture.failedFuture(new IllegalStateException("/secret/path")),
                        TestCoordinator.LONG_TIMEOUTS);
        ManagedChannel failing =
                NettyChannelBuilder.forAddress("127.0.0.1", coordinator.port())
                        .usePlaintext()
                        .build();
        try {
            InferenceGrpc.InferenceBlockingStub calls =
                    InferenceGrpc.newBlockingStub(failing).withDeadlineAfter(Eventually.TIMEOUT);
            assertInternal(
                    () ->
                            calls.generate(InferenceRequest.newBuilder().setPrompt("a").build())
                                    .hasNext());
            assertInternal(() -> calls.listModels(ListModelsRequest.getDefaultInstance()));
            assertInternal(
                    () -> calls.tokenize(TokenizeRequest.newBuilder().setPrompt("a").build()));
        } finally {
            failing.shutdownNow();
            coordinator.stop(StopReason.FINISHED);
        }
    }

    private static void assertInternal(Executable call) {
        StatusRuntimeException failed = assertThrows(StatusRuntimeException.class, call);
        assertEquals(Status.Code.INTERNAL, failed.getStatus().getCode());
        assertEquals(
                "the request failed; the coordinator's log says why",
                failed.getStatus().getDescription());
    }
}
