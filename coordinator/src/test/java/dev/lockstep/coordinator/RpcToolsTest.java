// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.proto.v1.ChatMessage;
import dev.lockstep.proto.v1.ChatMessages;
import dev.lockstep.proto.v1.FinishReason;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// Tests of tools and reasoning over gRPC, with scripted answers.
final class RpcToolsTest {
    private static final String WEATHER =
            """
            {"type":"function","function":{"name":"weather","parameters":{"type":"object",
            "properties":{"city":{"type":"string"},"days":{"type":"integer"}},"required":["city"],
            "additionalProperties":false}}}""";

    private static final String CALL =
            "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\":\"Ö{}slo\",\"days\":2}}\n</tool_call>";
    private static TestCoordinator server;

    @BeforeAll
    static void start() throws Exception {
        server = CallTemplates.MARKED.start();
    }

    @AfterAll
    static void stop() {
        server.close();
    }

    @Test
    void callsAndReasoningTravelOverGrpc() throws Exception {
        server.generate("<think>\nHm\n</think>\n\n" + CALL);
        ManagedChannel channel =
                NettyChannelBuilder.forAddress("127.0.0.1", server.coordinator.port())
                        .usePlaintext()
                        .build();
        try {
            InferenceRequest request =
                    InferenceRequest.newBuilder()
                            .setModel("tiny")
                            .setChat(
                                    ChatMessages.newBuilder()
                                            .addMessages(
                                                    ChatMessage.newBuilder()
                                                            .setRole("user")
                                                            .setContent("Hi"))
                                            .addTools(WEATHER)
                                            .setToolChoice("required"))
                            .build();
            var reasoning = new StringBuilder();
            var arguments = new StringBuilder();
            String name = "";
            InferenceEvent last = InferenceEvent.getDefaultInstance();
            var events = InferenceGrpc.newBlockingStub(channel).generate(request);
            while (events.hasNext()) {
                last = events.next();
                reasoning.append(last.getDelta().getReasoning());
                arguments.append(last.getDelta().getToolCall().getArguments());
                name += last.getDelta().getToolCall().getName();
            }
            assertEquals("Hm", reasoning.toString());
            assertEquals("weather", name);
            assertEquals("{\"city\":\"Ö{}slo\",\"days\":2}", arguments.toString());
            assertEquals(FinishReason.FINISH_REASON_TOOL_CALLS, last.getFinished().getReason());
            assertTrue(last.getFinished().getUsage().getReasoningTokens() > 0);
        } finally {
            channel.shutdownNow();
        }
    }
}
