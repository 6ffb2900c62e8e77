// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.google.protobuf.ByteString;
import com.linecorp.armeria.common.RequestHeaders;
import com.linecorp.armeria.server.ServiceRequestContext;
import dev.lockstep.cluster.process.Clock;
import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.RequestedOutputs;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.ClientRecord;
import dev.lockstep.proto.v1.ResponseRecord;
import dev.lockstep.proto.v1.SamplingParams;
import dev.lockstep.proto.v1.TextConstraint;
import dev.lockstep.proto.v1.ThinkingBudget;
import dev.lockstep.proto.v1.TokenSequence;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/// Creates [Completion]s from checked requests, for HTTP and gRPC alike.
final class CompletionFactory {
    // Prefixes of response ids.
    private static final String CHAT = "chatcmpl-";
    private static final String TEXT = "cmpl-";
    private static final String EMBEDDING = "embd-";
    private static final String SCORE = "score-";

    private final CompletableFuture<ServedModel> model;
    private final Completion.Environment environment;
    private final ConstraintCompiler constraints;
    private final Randomness randomness;

    CompletionFactory(
            CompletableFuture<ServedModel> model,
            Completion.Environment environment,
            ConstraintCompiler constraints,
            Randomness randomness) {
        this.model = model;
        this.environment = environment;
        this.constraints = constraints;
        this.randomness = randomness;
    }

    /// Returns the model; throws while its tokenizer is being loaded.
    ServedModel model() {
        if (!model.isDone()) {
            throw ApiError.unavailable("not_ready", "the tokenizer is being loaded");
        }
        return model.join();
    }

    boolean isLoaded() {
        return model.isDone() && !model.isCompletedExceptionally();
    }

    /// Returns the upper bound of the tokens of a prompt and its output on all ready groups.
    int context() {
        ServedModel served = model();
        return environment.schedulers().ready(served.name()).stream()
                .mapToInt(group -> group.status().getMaxModelLen())
                .min()
                .orElse(served.contextLength());
    }

    /// Returns the bound that a response was begun with, or [#context()].
    private int context(RequestContext context) {
        return context.resumed()
                .map(response -> response.record().getContext())
                .orElseGet(this::context);
    }

    /// Returns the clock of [RequestContext#arrivedNanos()].
    Clock clock() {
        return environment.clock();
    }

    Randomness randomness() {
        return randomness;
    }

    /// Creates the context of the gRPC call whose handler runs.
    RequestContext currentCall() {
        return requestContext(
                randomness().nextIncarnation(),
                ServiceRequestContext.current().request().headers());
    }

    /// Creates the context of a request that arrives now.
    RequestContext requestContext(String requestId, RequestHeaders headers) {
        return new RequestContext(
                requestId,
                headers.getAll(RequestContext.TENANT),
                RequestContext.Credential.of(headers),
                environment.clock().nanoTime());
    }

    /// Renders and tokenizes a chat, and compiles its constraint.
    PreparedRequest prepare(ChatRequest request, RequestContext context) {
        return prepare(request, CHAT, context);
    }

    /// As the other one, with the prefix of the response's id.
    PreparedRequest prepare(ChatRequest request, String prefix, RequestContext context) {
        ServedModel served = model();
        requireOutputHead(request.sampling(), request.outputs().promptOutputs());
        ModelAnswers answers = served.answers();
        answers.requireCalls(request.tools());
        String prompt = served.render(request.prompt().conversation(), context.created());
        int[] all = served.encode("messages", prompt, request.prompt().addSpecialTokens());
        int[] ids = request.truncation().of(all, context(context), request.sampling());
        List<TokenPrompt> prompts =
                List.of(new TokenPrompt(ids, request.outputs().promptOutputs()));
        Optional<ByteString> calls = constrainedCalls(request, prompt);
        Optional<ThinkingBudget> budget =
                request.thinkingBudget()
                        .flatMap(
                                asked ->
                                        answers.requireThinking(asked.field())
                                                .budget(asked.value(), prompt));
        return prepared(
                prefix,
                context,
                prompts,
                List.of(),
                request.sampling(),
                request.sampling().params(),
                request.options(),
                requireRoom("messages", prompts, request.sampling(), context),
                calls.orElseGet(() -> constrainedText(request, prompt)),
                budget,
                answers.plan(
                        request.tools(),
                        request.reasoning(),
                        calls.isPresent(),
                        prompt,
                        answers::callId));
    }

    /// Returns the constraint of an answer that may have calls; empty if it has none: without
    /// tools, and where the model may call or not and a schema cannot be enforced that the request
    /// does not call strict.
    private Optional<ByteString> constrainedCalls(ChatRequest request, String prompt) {
        RequestTools tools = request.tools();
        if (tools.isEmpty()) {
            return Optional.empty();
        }
        ConstraintSource source =
                model().answers()
                        .constraint(tools, prompt)
                        .orElseThrow()
                        .of(tools, request.constraint());
        try {
            return Optional.of(constraints.compile(request.options().tenant(), source));
        } catch (ApiError e) {
            boolean optional = !tools.mustBeConstrained() && request.constraint().isEmpty();
            if (optional && e.code().equals(ConstraintCompiler.INVALID)) {
                return Optional.empty();
            }
            throw e;
        }
    }

    private ByteString constrainedText(ChatRequest request, String prompt) {
        Optional<ConstraintSource> asked = request.constraint();
        return compiled(
                model().answers()
                        .constraint(RequestTools.NONE, prompt)
                        .map(answer -> answer.of(asked))
                        .orElse(asked),
                request.options());
    }

    /// Tokenizes the prompts of a completion, and compiles its constraint.
    PreparedRequest prepare(TextRequest request, RequestContext context) {
        ServedModel served = model();
        requireOutputHead(request.sampling(), request.promptOutputs());
        List<TokenPrompt> prompts = new ArrayList<>();
        List<PreparedRequest.Echo> echoes = new ArrayList<>();
        for (Prompt prompt : request.prompts()) {
            String name = Prompt.name("prompt", prompts.size(), request.prompts().size());
            int[] all =
                    prompt.encode(
                            name,
                            served,
                            request.addSpecialTokens(),
                            request.room(context(context)));
            int[] ids = request.truncation().of(all, context(context), request.sampling());
            prompts.add(new TokenPrompt(ids, request.promptOutputs()));
            if (request.echo()) {
                PreparedRequest.Echo echo =
                        ids.length == all.length
                                ? echo(prompt, ids, served)
                                : new PreparedRequest.Echo(served.decode(ids, false), ids);
                echoes.addAll(Collections.nCopies(request.sampling().choices(), echo));
            }
        }
        return prepared(
                TEXT,
                context,
                prompts,
                echoes,
                request.sampling(),
                // The best choices are found by the log-probabilities of their tokens.
                request.bestOf().chooses()
                        ? request.sampling().params().toBuilder().setLogprobs(true).build()
                        : request.sampling().params(),
                request.options(),
                request.needsEngine()
                        ? requireRoom("prompt", prompts, request.sampling(), context)
                        : Integer.MAX_VALUE,
                compiled(request.constraint(), request.options()),
                Optional.empty(),
                Optional.empty());
    }

    private void requireOutputHead(Sampling sampling, RequestedOutputs outputs) {
        if (sampling.generates() || outputs.logprobs()) {
            model().requireOutputHead();
        }
    }

    private ByteString compiled(Optional<ConstraintSource> constraint, RequestOptions options) {
        return constraint
                .map(source -> constraints.compile(options.tenant(), source))
                .orElse(ByteString.EMPTY);
    }

    /// Prepares prompts of which one vector each is computed.
    PreparedRequest embed(
            String field,
            List<TokenPrompt> prompts,
            RequestOptions options,
            RequestContext context) {
        return outputsOnly(EMBEDDING, field, prompts, options, context);
    }

    /// Prepares texts that are compared by one vector each.
    PreparedRequest rank(
            List<TokenPrompt> prompts, RequestOptions options, RequestContext context) {
        return outputsOnly(SCORE, "text", prompts, options, context);
    }

    /// Prepares a prompt of which the log-probabilities of tokens are computed.
    PreparedRequest score(
            String field, TokenPrompt prompt, RequestOptions options, RequestContext context) {
        return outputsOnly(SCORE, field, List.of(prompt), options, context);
    }

    /// Prepares a request without a prompt, which is completed at once.
    PreparedRequest nothing(RequestContext context) {
        return prepared(
                CHAT,
                context,
                List.of(),
                List.of(),
                Sampling.NO_TOKENS,
                Sampling.NO_TOKENS.params(),
                RequestOptionFields.parse(new Fields(Json.object()), context),
                Integer.MAX_VALUE,
                ByteString.EMPTY,
                Optional.empty(),
                Optional.empty());
    }

    private PreparedRequest outputsOnly(
            String prefix,
            String field,
            List<TokenPrompt> prompts,
            RequestOptions options,
            RequestContext context) {
        return prepared(
                prefix,
                context,
                prompts,
                List.of(),
                Sampling.NO_TOKENS,
                Sampling.NO_TOKENS.params(),
                options,
                requireRoom(field, prompts, Sampling.NO_TOKENS, context),
                ByteString.EMPTY,
                Optional.empty(),
                Optional.empty());
    }

    /// Creates a completion, which has not started.
    Completion completion(PreparedRequest request, CompletionInbox inbox, ResponseSink sink) {
        return new Completion(request, environment, inbox, sink);
    }

    private static PreparedRequest.Echo echo(Prompt prompt, int[] ids, ServedModel served) {
        String text =
                switch (prompt) {
                    case Prompt.Text(String sent) -> sent;
                    case Prompt.Middle middle -> middle.before();
                    // With its special tokens, as a text that names them.
                    case Prompt.Ids _ -> served.decode(ids, false);
                };
        return new PreparedRequest.Echo(text, ids);
    }

    private PreparedRequest prepared(
            String prefix,
            RequestContext context,
            List<TokenPrompt> prompts,
            List<PreparedRequest.Echo> echoes,
            Sampling sampling,
            SamplingParams params,
            RequestOptions options,
            int maxLength,
            ByteString grammar,
            Optional<ThinkingBudget> budget,
            Optional<AnswerPlan> answer) {
        Optional<ResumedResponse> resumed = context.resumed();
        String id =
                resumed.map(ResumedResponse::id)
                        .orElseGet(() -> prefix + randomness.nextIncarnation());
        long seed =
                resumed.map(response -> response.record().getSeed())
                        .orElseGet(() -> sampling.seed().orElseGet(randomness::nextLong));
        Optional<RequestOrigin> kept = kept(context.origin(), prompts);
        return new PreparedRequest(
                id,
                context.created(),
                context.requestId(),
                model(),
                prompts,
                echoes,
                sampling,
                options,
                maxLength,
                answer,
                params.toBuilder().setSeed(seed).build().toByteString(),
                constraint(grammar, budget, sampling.badWords()),
                kept.map(origin -> client(origin, context, id, seed, maxLength)),
                resumed);
    }

    /// Returns the origin of a request that a scheduler can keep for another coordinator.
    ///
    /// @throws ApiError where it cannot, and the client may repeat the request
    private static Optional<RequestOrigin> kept(
            Optional<RequestOrigin> origin, List<TokenPrompt> prompts) {
        String reason =
                origin.filter(one -> !one.fits(prompts.size()))
                        .map(
                                one ->
                                        "%d prompts in a body of %d bytes, with its items, whose product may be %d at most"
                                                .formatted(
                                                        prompts.size(),
                                                        one.body().size() + one.items().size(),
                                                        RequestOrigin.MAX_BYTES))
                        .orElse("");
        if (prompts.stream().anyMatch(prompt -> prompt.outputs().any())) {
            reason = "log-probabilities of the prompt and hidden states";
        }
        if (reason.isEmpty()) {
            return origin;
        }
        if (origin.filter(RequestOrigin::isRepeatable).isPresent()) {
            throw ApiError.invalid(
                    IdempotencyKey.NAME,
                    IdempotencyKey.NAME + " is given, which is not possible with " + reason);
        }
        return Optional.empty();
    }

    /// Returns what another coordinator needs to go on with a response.
    private static ClientRecord client(
            RequestOrigin origin, RequestContext context, String id, long seed, int maxLength) {
        ResponseRecord record =
                ResponseRecord.newBuilder()
                        .setRoute(origin.route())
                        .setBody(origin.body())
                        .setCreated(context.created())
                        .setSeed(seed)
                        .setContext(maxLength)
                        .setRequestId(context.requestId())
                        .setStored(origin.stored())
                        .setItems(origin.items())
                        .build();
        return ClientRecord.newBuilder()
                .setOwner(context.owner().name())
                .setResponseId(id)
                .setKey(origin.key())
                .setReader(context.resumed().map(ResumedResponse::reader).orElse(0))
                .setRecord(record.toByteString())
                .build();
    }

    /// Adds to an encoded `TextConstraint` what is not kept with its grammar.
    private static ByteString constraint(
            ByteString grammar, Optional<ThinkingBudget> budget, List<List<Integer>> badWords) {
        TextConstraint.Builder more = TextConstraint.newBuilder();
        budget.ifPresent(more::setThinking);
        badWords.forEach(ids -> more.addBadWords(TokenSequence.newBuilder().addAllIds(ids)));
        // Encoded messages in a row are one message with the fields of all.
        return grammar.concat(more.build().toByteString());
    }

    /// Refuses prompts without a token, and prompts that leave no room for a token to generate.
    ///
    /// @return the context that the prompts were compared with
    private int requireRoom(
            String field, List<TokenPrompt> prompts, Sampling sampling, RequestContext arrived) {
        int context = context(arrived);
        boolean generates = sampling.generates();
        for (int i = 0; i < prompts.size(); i++) {
            TokenPrompt prompt = prompts.get(i);
            String name = Prompt.name(field, i, prompts.size());
            if (prompt.length() == 0) {
                throw ApiError.invalid(name, name + " is empty, it must have at least one token");
            }
            if (prompt.length() > context && model().details().encoder()) {
                throw ApiError.invalid(
                        name,
                        "context_length_exceeded",
                        "%s has %d tokens, an encoder computes it in one step of at most max-num-batched-tokens %d, or a lower max-model-len"
                                .formatted(name, prompt.length(), context));
            }
            if (prompt.length() >= context + (generates ? 0 : 1)) {
                throw ApiError.invalid(
                        name,
                        "context_length_exceeded",
                        "%s has %d tokens and the context of the model %d%s"
                                .formatted(
                                        name,
                                        prompt.length(),
                                        context,
                                        generates ? ": nothing is left to generate" : ""));
            }
        }
        return context;
    }
}
