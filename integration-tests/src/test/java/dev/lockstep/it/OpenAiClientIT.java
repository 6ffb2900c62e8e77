// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.openai.client.OpenAIClient;
import com.openai.client.OpenAIClientImpl;
import com.openai.core.ClientOptions;
import com.openai.core.http.StreamResponse;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.responses.Response;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseOutputText;
import com.openai.models.responses.ResponseStreamEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.reflection.v1.ServerReflectionGrpc;
import io.grpc.reflection.v1.ServerReflectionRequest;
import io.grpc.reflection.v1.ServerReflectionResponse;
import io.grpc.reflection.v1.ServiceResponse;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Third-party clients use one port with different protocols. Responses to that of OpenAI are as
/// OpenAI describes them.
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@ExtendWith(LogsOnFailure.class)
final class OpenAiClientIT {
    private static final String PROMPT = "Name three colours.";
    private static final int TOKENS = 12;

    private final Sandbox sandbox = Sandbox.quick();
    private ServedCluster cluster;
    private OpenAIClient client;

    @BeforeAll
    void start() throws Exception {
        cluster = ServedCluster.start(sandbox, Models.tiny(sandbox, 2));
        client =
                new OpenAIClientImpl(
                        ClientOptions.builder()
                                .httpClient(new DescribedHttpClient())
                                .baseUrl("http://127.0.0.1:" + cluster.api().port() + "/v1")
                                .apiKey("unused")
                                .maxRetries(0)
                                .build());
    }

    @AfterAll
    void close() {
        client.close();
        cluster.close();
    }

    @Test
    void theOpenAiClientStreamsTheSameChatCompletion() {
        ChatCompletion whole = client.chat().completions().create(chat());
        ChatCompletion.Choice choice = whole.choices().getFirst();
        String text = choice.message().content().orElseThrow();
        assertFalse(text.isEmpty());
        assertEquals(TOKENS, whole.usage().orElseThrow().completionTokens());

        ChatCompletionCreateParams streamed =
                chat().toBuilder()
                        .streamOptions(
                                ChatCompletionStreamOptions.builder().includeUsage(true).build())
                        .build();
        var pieces = new StringBuilder();
        List<Long> usages = new ArrayList<>();
        try (StreamResponse<ChatCompletionChunk> chunks =
                client.chat().completions().createStreaming(streamed)) {
            chunks.stream()
                    .forEach(
                            chunk -> {
                                chunk.choices()
                                        .forEach(
                                                each ->
                                                        each.delta()
                                                                .content()
                                                                .ifPresent(pieces::append));
                                chunk.usage()
                                        .ifPresent(usage -> usages.add(usage.completionTokens()));
                            });
        }
        assertEquals(text, pieces.toString());
        assertEquals(List.of((long) TOKENS), usages);
    }

    @Test
    void theOpenAiClientStreamsAndRetrievesTheSameResponse() {
        ResponseCreateParams params =
                ResponseCreateParams.builder()
                        .model(ServedCluster.MODEL)
                        .input(PROMPT)
                        .maxOutputTokens(TOKENS)
                        .temperature(0)
                        .build();
        Response whole = client.responses().create(params);
        String text = text(whole);
        assertFalse(text.isEmpty());
        assertEquals(TOKENS, whole.usage().orElseThrow().outputTokens());
        assertEquals(text, text(client.responses().retrieve(whole.id())));

        var pieces = new StringBuilder();
        List<Long> numbers = new ArrayList<>();
        try (StreamResponse<ResponseStreamEvent> events =
                client.responses().createStreaming(params)) {
            events.stream()
                    .forEach(
                            event ->
                                    event.outputTextDelta()
                                            .ifPresent(
                                                    delta -> {
                                                        pieces.append(delta.delta());
                                                        numbers.add(delta.sequenceNumber());
                                                    }));
        }
        assertEquals(text, pieces.toString());
        assertEquals(numbers.stream().sorted().distinct().toList(), numbers);

        ResponseCreateParams next = params.toBuilder().previousResponseId(whole.id()).build();
        Response continued = client.responses().create(next);
        assertEquals(3, client.responses().inputItems().list(continued.id()).data().size());
        client.responses().delete(whole.id());
        assertThrows(NotFoundException.class, () -> client.responses().retrieve(whole.id()));
    }

    private static String text(Response response) {
        return response.output().stream()
                .flatMap(item -> item.message().stream())
                .flatMap(message -> message.content().stream())
                .flatMap(content -> content.outputText().stream())
                .map(ResponseOutputText::text)
                .collect(Collectors.joining());
    }

    @Test
    void otherApisHaveTheTextOfTheChat() {
        ObjectNode body =
                JsonNodes.object()
                        .put("model", ServedCluster.MODEL)
                        .put("max_tokens", TOKENS)
                        .put("temperature", 0)
                        .put("stream", false);
        body.putArray("messages").addObject().put("role", "user").put("content", PROMPT);
        body.putObject("options").put("num_predict", TOKENS).put("temperature", 0);
        String text =
                client.chat()
                        .completions()
                        .create(chat())
                        .choices()
                        .getFirst()
                        .message()
                        .content()
                        .orElseThrow();
        JsonNode message = cluster.api().post("/v1/messages", body).ok();
        assertEquals(text, message.at("/content/0/text").asText());
        JsonNode answer = cluster.api().post("/api/chat", body).ok();
        assertEquals(text, answer.at("/message/content").asText());
        assertEquals(
                ServedCluster.MODEL + ":latest",
                cluster.api().get("/api/tags").ok().at("/models/0/name").asText());
    }

    /// Token 0 is the marker `<|endoftext|>`, and no file of the model lists it as an end.
    @Test
    void aKnownMarkerEndsTheTextInTheSchedulerToo() {
        assertEquals(List.of(0), generated("stop", "{}"));
        List<Integer> later = generated("stop", "{\"min_tokens\":3}");
        assertEquals(4, later.size());
        assertEquals(3, later.indexOf(0));
        assertEquals(List.of(0, 0, 0, 0), generated("length", "{\"ignore_eos\":true}"));
    }

    /// Returns the ids of at most 4 tokens, of which 0 is the most likely.
    private List<Integer> generated(String finishReason, String more) {
        ObjectNode body =
                (ObjectNode)
                        JsonNodes.parse(
                                """
                                {"model":"%s","prompt":[5,6,7],"max_tokens":4,"logit_bias":{"0":100},"temperature":0,
                                 "return_token_ids":true}"""
                                        .formatted(ServedCluster.MODEL));
        body.setAll((ObjectNode) JsonNodes.parse(more));
        Generated generated =
                Generated.of(cluster.api().post(CompletionBodies.COMPLETIONS, body).ok());
        assertEquals(finishReason, generated.finishReason());
        return generated.ids();
    }

    @Test
    void theOpenAiClientCompletesAndListsModels() {
        CompletionCreateParams params =
                CompletionCreateParams.builder()
                        .model(ServedCluster.MODEL)
                        .prompt("Once upon a time")
                        .maxTokens(TOKENS)
                        .temperature(0)
                        .logprobs(2)
                        .build();
        Completion completion = client.completions().create(params);
        assertFalse(completion.choices().getFirst().text().isEmpty());
        assertEquals(ServedCluster.MODEL, client.models().list().data().getFirst().id());
    }

    @Test
    void theOpenAiClientParsesErrors() {
        ChatCompletionCreateParams wrongModel = chat().toBuilder().model("another").build();
        NotFoundException notFound =
                assertThrows(
                        NotFoundException.class,
                        () -> client.chat().completions().create(wrongModel));
        assertEquals("model_not_found", notFound.code().orElseThrow());
        ChatCompletionCreateParams tooHot = chat().toBuilder().temperature(9).build();
        BadRequestException bad =
                assertThrows(
                        BadRequestException.class,
                        () -> client.chat().completions().create(tooHot));
        assertEquals("temperature", bad.param().orElseThrow());
    }

    private static ChatCompletionCreateParams chat() {
        return ChatCompletionCreateParams.builder()
                .model(ServedCluster.MODEL)
                .addUserMessage(PROMPT)
                .maxCompletionTokens(TOKENS)
                .temperature(0)
                .build();
    }

    /// The JDK's client sends `Upgrade: h2c` with its first request, whose body must not be lost.
    @Test
    void theFirstPostOfTheJdkClientKeepsItsBody() {
        for (int size : List.of(10, 100_000, 1_000_000)) {
            ObjectNode body = JsonNodes.object().put("model", ServedCluster.MODEL);
            body.put("prompt", "a".repeat(size));
            try (var fresh = new Api(cluster.api().port(), HttpClient.Version.HTTP_2)) {
                JsonNode response = fresh.post("/tokenize", body).ok();
                assertTrue(response.path("count").intValue() > 0);
                assertEquals(HttpClient.Version.HTTP_2, fresh.versionOf("/tokenize", body));
            }
        }
    }

    @Test
    void aStreamIsTheSameOverHttp2AndHttp1() {
        ObjectNode body = CompletionBodies.greedy(List.of(5, 6, 7), 40).put("stream", true);
        try (var fresh = new Api(cluster.api().port(), HttpClient.Version.HTTP_2);
                EventReader one = cluster.api().stream(CompletionBodies.COMPLETIONS, body);
                EventReader two = fresh.stream(CompletionBodies.COMPLETIONS, body)) {
            assertEquals(Generated.of(one), Generated.of(two));
        }
    }

    @ParameterizedTest
    @CsvSource({"--http1.1, 1.1", "--http2, 2", "--http2-prior-knowledge, 2"})
    void curlStreamsWithEveryHttpVersion(String flag, String version) throws Exception {
        Process process;
        try {
            process =
                    new ProcessBuilder(
                                    "curl",
                                    "-sS",
                                    "-N",
                                    flag,
                                    "-w",
                                    "%{http_version} %{http_code}",
                                    "-H",
                                    "Content-Type: application/json",
                                    "-d",
                                    CompletionBodies.greedy(List.of(5, 6, 7), 5)
                                            .put("stream", true)
                                            .toString(),
                                    "http://127.0.0.1:"
                                            + cluster.api().port()
                                            + CompletionBodies.COMPLETIONS)
                            .redirectErrorStream(true)
                            .start();
        } catch (IOException e) {
            System.out.println("skipped: no curl: " + e.getMessage());
            assumeTrue(false, "no curl");
            return;
        }
        var output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), output);
        assertTrue(output.matches("(?s)id: \\S+\ndata: \\{.*"), output);
        assertTrue(output.endsWith("data: [DONE]\n\n" + version + " 200"), output);
    }

    @Test
    void grpcHealthAndReflectionAreOnTheSamePort() throws Exception {
        HealthCheckRequest request =
                HealthCheckRequest.newBuilder().setService(InferenceGrpc.SERVICE_NAME).build();
        assertEquals(
                ServingStatus.SERVING,
                HealthGrpc.newBlockingStub(cluster.admin().channel())
                        .withDeadlineAfter(BoundedWait.TIMEOUT)
                        .check(request)
                        .getStatus());
        assertTrue(services().contains(InferenceGrpc.SERVICE_NAME));
    }

    private List<String> services() throws Exception {
        CompletableFuture<List<String>> services = new CompletableFuture<>();
        StreamObserver<ServerReflectionRequest> requests =
                ServerReflectionGrpc.newStub(cluster.admin().channel())
                        .serverReflectionInfo(
                                new StreamObserver<>() {
                                    @Override
                                    public void onNext(ServerReflectionResponse response) {
                                        services.complete(
                                                response
                                                        .getListServicesResponse()
                                                        .getServiceList()
                                                        .stream()
                                                        .map(ServiceResponse::getName)
                                                        .toList());
                                    }

                                    @Override
                                    public void onError(Throwable failure) {
                                        services.completeExceptionally(failure);
                                    }

                                    @Override
                                    public void onCompleted() {}
                                });
        requests.onNext(ServerReflectionRequest.newBuilder().setListServices("").build());
        List<String> names = services.get(BoundedWait.TIMEOUT.toSeconds(), TimeUnit.SECONDS);
        requests.onCompleted();
        return names;
    }
}
