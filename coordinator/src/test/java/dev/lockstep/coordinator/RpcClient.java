// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.cluster.Eventually;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.util.ArrayList;
import java.util.List;

/// Calls of the public API over gRPC, on the port of the HTTP API.
final class RpcClient implements AutoCloseable {
    private final TestCoordinator server;
    private final ManagedChannel channel;
    private final InferenceGrpc.InferenceBlockingStub stub;

    RpcClient(TestCoordinator server) {
        this.server = server;
        this.channel =
                NettyChannelBuilder.forAddress("127.0.0.1", server.coordinator.port())
                        .usePlaintext()
                        .build();
        this.stub = InferenceGrpc.newBlockingStub(channel);
    }

    ManagedChannel channel() {
        return channel;
    }

    InferenceGrpc.InferenceBlockingStub stub() {
        return stub;
    }

    static InferenceRequest.Builder request() {
        return InferenceRequest.newBuilder().setModel("tiny");
    }

    List<InferenceEvent> generate(InferenceRequest.Builder request) {
        List<InferenceEvent> events = new ArrayList<>();
        stub.withDeadlineAfter(Eventually.TIMEOUT)
                .generate(request.build())
                .forEachRemaining(events::add);
        return events;
    }

    void respondWith(String text) {
        server.scheduler.behave(
                call -> {
                    for (int i = 0; i < call.request().getChoices(); i++) {
                        call.oneByOne(i, server.ids(text));
                        call.finishByLength(i);
                    }
                });
    }

    static String text(List<InferenceEvent> events, int choice) {
        var text = new StringBuilder();
        for (InferenceEvent event : events) {
            if (event.hasDelta() && event.getDelta().getChoice() == choice) {
                text.append(event.getDelta().getText());
            }
        }
        return text.toString();
    }

    @Override
    public void close() {
        channel.shutdownNow();
    }
}
