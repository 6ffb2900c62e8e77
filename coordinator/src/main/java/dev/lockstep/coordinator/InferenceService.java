// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.linecorp.armeria.common.RequestHeaders;
import com.linecorp.armeria.server.ServiceRequestContext;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.proto.v1.DetokenizeRequest;
import dev.lockstep.proto.v1.DetokenizeResponse;
import dev.lockstep.proto.v1.InferenceEvent;
import dev.lockstep.proto.v1.InferenceGrpc;
import dev.lockstep.proto.v1.InferenceRequest;
import dev.lockstep.proto.v1.ListModelsRequest;
import dev.lockstep.proto.v1.ListModelsResponse;
import dev.lockstep.proto.v1.ModelInfo;
import dev.lockstep.proto.v1.ResumeRequest;
import dev.lockstep.proto.v1.TokenizeRequest;
import dev.lockstep.proto.v1.TokenizeResponse;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;
import java.util.function.Supplier;

/// The public API over gRPC.
///
/// The fields of a request have the names of the HTTP API, and are checked by the same code after
/// conversion to the same tree.
final class InferenceService extends InferenceGrpc.InferenceImplBase {
    static final String NAME = InferenceGrpc.SERVICE_NAME;

    /// The fields that only pooling `model` reads.
    private static final List<String> OF_MODEL_ALONE =
            List.of("normalize", "dimensions", InputPrompts.NAME, "truncate");

    /// The fields that pooling `model` does not read.
    private static final List<String> NOT_OF_MODEL =
            List.of("prompt_logprobs", OutputFields.HIDDEN_STATES);

    private final CompletionFactory completions;
    private final OpenRequests requests;
    private final Metrics metrics;
    private final Timeouts timeouts;
    private final Resumption resumption;
    private final Executor threads;
    private final TokenizerApi text;

    InferenceService(
            CompletionFactory completions,
            OpenRequests requests,
            Metrics metrics,
            Timeouts timeouts,
            Resumption resumption,
            Executor threads) {
        this.completions = completions;
        this.requests = requests;
        this.metrics = metrics;
        this.timeouts = timeouts;
        this.resumption = resumption;
        this.threads = threads;
        this.text = new TokenizerApi(completions);
    }

    @Override
    public void generate(InferenceRequest request, StreamObserver<InferenceEvent> observer) {
        RequestContext context = completions.currentCall();
        RequestHeaders headers = ServiceRequestContext.current().request().headers();
        var inbox = new CompletionInbox();
        run(
                observer,
                inbox,
                resumption.departure(inbox, Resumption.RPC, headers),
                (memory, response) ->
                        prepare(
                                request,
                                resumption.ofCall(request, headers, context),
                                inbox,
                                response));
    }

    @Override
    public void resume(ResumeRequest request, StreamObserver<InferenceEvent> observer) {
        RequestContext context = completions.currentCall();
        var inbox = new CompletionInbox();
        Departure departure = resumption.departure(inbox);
        run(
                observer,
                inbox,
                departure,
                (memory, response) -> {
                    ResumedResponse resumed =
                            resumption.ofCall(request.getAfter(), context, departure);
                    memory.reserve(
                            resumed.record().getBody().toByteArray(),
                            InferenceRequest.getDescriptor());
                    return prepare(
                            Resumption.message(resumed),
                            context.resuming(resumed),
                            inbox,
                            response);
                });
    }

    /// Prepares the completion of a call; may throw an [ApiError].
    @FunctionalInterface
    private interface Preparation {
        /// @param memory of the call, until the message was checked
        Completion prepare(RpcWeighing.CallMemory memory, RpcResponse response)
                throws InterruptedException;
    }

    private void run(
            StreamObserver<InferenceEvent> observer,
            CompletionInbox inbox,
            Departure departure,
            Preparation preparation) {
        var response =
                new RpcResponse(
                        (ServerCallStreamObserver<InferenceEvent>) observer, timeouts.slowClient());
        response.onDisconnect(departure::left);
        RpcWeighing.CallMemory memory = RpcWeighing.currentMemory();
        threads.execute(() -> run(preparation, inbox, response, memory));
    }

    private void run(
            Preparation preparation,
            CompletionInbox inbox,
            RpcResponse response,
            RpcWeighing.CallMemory memory) {
        try {
            requests.enter(inbox);
        } catch (ApiError e) {
            response.failed(e);
            metrics.countRequest(e.status());
            return;
        }
        try {
            Completion completion = preparation.prepare(memory, response);
            memory.release();
            completion.run();
        } catch (ApiError e) {
            response.failed(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            response.failed(ApiError.internal("the request was interrupted"));
        } catch (RuntimeException | StackOverflowError e) {
            response.failed(RequestFault.logged("a gRPC request", e));
        } finally {
            memory.release();
            requests.leave(inbox);
            metrics.countRequest(response.status());
        }
    }

    private Completion prepare(
            InferenceRequest message,
            RequestContext context,
            CompletionInbox inbox,
            RpcResponse response) {
        boolean ofModel = message.getPooling().equals(OutputFields.OF_MODEL);
        refuseUnread(message, ofModel);
        if (ofModel) {
            EmbeddingsApi.Vector vector =
                    new EmbeddingsApi(completions).ofModel(RpcFields.of(message), context);
            return completions.completion(
                    vector.request(), inbox, response.begin(vector.request(), vector.form()));
        }
        PreparedRequest request = prepare(message, context);
        return completions.completion(request, inbox, response.begin(request));
    }

    /// Refuses fields that only pooling `model` reads, or that it does not read.
    private static void refuseUnread(InferenceRequest message, boolean ofModel) {
        for (String name : ofModel ? NOT_OF_MODEL : OF_MODEL_ALONE) {
            FieldDescriptor field = InferenceRequest.getDescriptor().findFieldByName(name);
            boolean given = message.hasField(field);
            if (given && !Set.<Object>of(false, "").contains(message.getField(field))) {
                throw ApiError.invalid(
                        name,
                        "%s is given, then pooling must %sbe model"
                                .formatted(name, ofModel ? "not " : ""));
            }
        }
    }

    /// Prepares a response that goes on without a reader.
    Completion unread(ResumedResponse response, RequestContext context, CompletionInbox inbox) {
        PreparedRequest request = prepare(Resumption.message(response), context);
        return completions.completion(request, inbox, new NoReader());
    }

    private PreparedRequest prepare(InferenceRequest message, RequestContext context) {
        ServedModel model = completions.model();
        Fields fields = RpcFields.of(message);
        return message.hasChat()
                ? completions.prepare(ChatRequest.parse(fields, model, context), context)
                : completions.prepare(TextRequest.parse(fields, model, context), context);
    }

    @Override
    public void tokenize(TokenizeRequest request, StreamObserver<TokenizeResponse> observer) {
        respond(
                observer,
                () -> {
                    ObjectNode fields = Json.object().put("model", request.getModel());
                    if (request.hasChat()) {
                        RpcFields.putMessages(fields, request.getChat());
                    } else {
                        fields.put("prompt", request.getPrompt());
                    }
                    if (request.hasAddSpecialTokens()) {
                        fields.put("add_special_tokens", request.getAddSpecialTokens());
                    }
                    ObjectNode result = text.tokenize(new Fields(fields));
                    TokenizeResponse.Builder proto = TokenizeResponse.newBuilder();
                    result.get("tokens").forEach(id -> proto.addTokens(id.intValue()));
                    return proto.setMaxModelLen(result.get("max_model_len").intValue()).build();
                });
    }

    @Override
    public void detokenize(DetokenizeRequest request, StreamObserver<DetokenizeResponse> observer) {
        respond(
                observer,
                () -> {
                    ObjectNode fields = Json.object().put("model", request.getModel());
                    ArrayNode tokens = fields.putArray("tokens");
                    request.getTokensList().forEach(tokens::add);
                    String prompt = text.detokenize(new Fields(fields)).get("prompt").textValue();
                    return DetokenizeResponse.newBuilder().setPrompt(prompt).build();
                });
    }

    @Override
    public void listModels(ListModelsRequest request, StreamObserver<ListModelsResponse> observer) {
        respond(
                observer,
                () -> {
                    ListModelsResponse.Builder response = ListModelsResponse.newBuilder();
                    for (String name : completions.model().names()) {
                        response.addModels(
                                ModelInfo.newBuilder()
                                        .setId(name)
                                        .setMaxModelLen(completions.context()));
                    }
                    return response.build();
                });
    }

    private <T> void respond(StreamObserver<T> observer, Supplier<T> work) {
        threads.execute(() -> metrics.countRequest(UnaryResponse.send(observer, work::get)));
    }
}
