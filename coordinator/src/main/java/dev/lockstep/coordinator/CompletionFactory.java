package dev.lockstep.coordinator;

import dev.lockstep.cluster.process.Randomness;
import dev.lockstep.coordinator.engine.CompletionInbox;
import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.coordinator.engine.TokenPrompt;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/// Makes [Completion]s of checked requests, for HTTP and gRPC alike.
final class CompletionFactory {
    private static final Duration SOON = Duration.ofSeconds(1);

    // What the ids of answers begin with.
    private static final String CHAT = "chatcmpl-";
    private static final String TEXT = "cmpl-";
    private static final String EMBEDDING = "embd-";
    private static final String SCORE = "score-";

    private final CompletableFuture<ServedModel> model;
    private final Completion.World world;
    private final Randomness randomness;

    /// What an answer needs to know before it begins.
    ///
    /// @param id of the answer
    /// @param echoes what stands before each choice; empty without `echo`
    record Outline(String id, ServedModel model, int choices, int promptTokens, List<Echo> echoes) {
        Outline {
            echoes = List.copyOf(echoes);
        }
    }

    CompletionFactory(
            CompletableFuture<ServedModel> model, Completion.World world, Randomness randomness) {
        this.model = model;
        this.world = world;
        this.randomness = randomness;
    }

    /// The model, once its text is there.
    ServedModel model() {
        if (!model.isDone()) {
            throw ApiError.unavailable("not_ready", "the tokenizer is being loaded", SOON);
        }
        return model.join();
    }

    boolean isLoaded() {
        return model.isDone() && !model.isCompletedExceptionally();
    }

    /// Tokens that prompt and output of a request may have together, wherever it is served.
    int context() {
        ServedModel served = model();
        return world.schedulers().ready(served.name()).stream()
                .mapToInt(group -> group.status().getMaxModelLen())
                .reduce(served.contextLength(), Math::min);
    }

    Randomness randomness() {
        return randomness;
    }

    /// A request that arrives now.
    RequestContext requestContext(String requestId, List<String> tenants) {
        return new RequestContext(requestId, tenants, world.clock().nanoTime());
    }

    /// Makes ids of a chat and returns what is left to do: generate, until the answer has heard of
    /// the end.
    Runnable chat(
            ChatRequest request,
            RequestContext context,
            CompletionInbox inbox,
            Function<Outline, ResponseSink> answers) {
        ServedModel served = model();
        List<TokenPrompt> prompts =
                List.of(
                        new TokenPrompt(
                                served.encode(request.prompt()), request.outputs().wanted()));
        Completion.Job job =
                new Completion.Job(
                        newId(CHAT),
                        context.requestId(),
                        prompts,
                        request.sampling(),
                        request.options(),
                        requireRoom("messages", prompts, request.sampling()),
                        seed(request.sampling()));
        return prepare(job, served, List.of(), inbox, answers);
    }

    /// As [#chat].
    Runnable complete(
            TextRequest request,
            RequestContext context,
            CompletionInbox inbox,
            Function<Outline, ResponseSink> answers) {
        ServedModel served = model();
        List<TokenPrompt> prompts = new ArrayList<>();
        List<Echo> echoes = new ArrayList<>();
        for (Prompt prompt : request.prompts()) {
            String name = Prompt.name("prompt", prompts.size(), request.prompts().size());
            int[] ids = prompt.encode(name, served, request.addSpecialTokens());
            prompts.add(new TokenPrompt(ids, request.wanted()));
            for (int i = 0; i < request.sampling().choices() && request.echo(); i++) {
                echoes.add(echo(prompt, ids, request.sampling(), served));
            }
        }
        if (request.promptOnly()) {
            return echoOnly(request, prompts, echoes, answers);
        }
        Completion.Job job =
                new Completion.Job(
                        newId(TEXT),
                        context.requestId(),
                        prompts,
                        request.sampling(),
                        request.options(),
                        requireRoom("prompt", prompts, request.sampling()),
                        seed(request.sampling()));
        return prepare(job, served, echoes, inbox, answers);
    }

    /// Computes prompts without generating anything.
    ///
    /// @param field whose length is refused when it is too long
    Runnable evaluate(
            Evaluation evaluation,
            String field,
            RequestContext context,
            CompletionInbox inbox,
            Function<Outline, ResponseSink> answers) {
        Completion.Job job =
                new Completion.Job(
                        newId(evaluation.scores() ? SCORE : EMBEDDING),
                        context.requestId(),
                        evaluation.prompts(),
                        Sampling.NOTHING,
                        evaluation.options(),
                        requireRoom(field, evaluation.prompts(), Sampling.NOTHING),
                        0);
        return prepare(job, model(), List.of(), inbox, answers);
    }

    /// Prompts that are computed for their outputs alone.
    ///
    /// @param scores whether log-probabilities are wanted, and not vectors
    record Evaluation(List<TokenPrompt> prompts, RequestOptions options, boolean scores) {
        Evaluation {
            prompts = List.copyOf(prompts);
        }
    }

    private static Echo echo(Prompt prompt, int[] ids, Sampling sampling, ServedModel served) {
        return switch (prompt) {
            case Prompt.Text text -> new Echo(text.text(), ids);
            case Prompt.Ids _ -> new Echo(served.decode(ids, sampling.skipSpecialTokens()), ids);
        };
    }

    /// Nothing is generated, so nobody is asked.
    private Runnable echoOnly(
            TextRequest request,
            List<TokenPrompt> prompts,
            List<Echo> echoes,
            Function<Outline, ResponseSink> answers) {
        int promptTokens = prompts.stream().mapToInt(TokenPrompt::length).sum();
        int choices = prompts.size() * request.sampling().choices();
        ResponseSink answer =
                answers.apply(new Outline(newId(TEXT), model(), choices, promptTokens, echoes));
        return () -> {
            for (int choice = 0; choice < choices; choice++) {
                answer.finished(choice, Finish.length());
            }
            answer.completed(new TokenUsage(promptTokens, 0, 0));
        };
    }

    private String newId(String prefix) {
        return prefix + randomness.nextIncarnation();
    }

    private long seed(Sampling sampling) {
        return sampling.seed().orElseGet(randomness::nextLong);
    }

    private Runnable prepare(
            Completion.Job job,
            ServedModel served,
            List<Echo> echoes,
            CompletionInbox inbox,
            Function<Outline, ResponseSink> answers) {
        ResponseSink answer =
                answers.apply(
                        new Outline(job.id(), served, job.choices(), job.promptTokens(), echoes));
        return new Completion(job, served, world, inbox, answer)::run;
    }

    /// Refuses prompts without a token, or that leave none to generate where some is wanted.
    ///
    /// @return the context they were held against
    private int requireRoom(String field, List<TokenPrompt> prompts, Sampling sampling) {
        int context = context();
        boolean generates = sampling.maxTokens().orElse(1) > 0;
        for (int i = 0; i < prompts.size(); i++) {
            TokenPrompt prompt = prompts.get(i);
            String name = Prompt.name(field, i, prompts.size());
            if (prompt.length() == 0) {
                throw ApiError.invalid(name, name + " is empty, it must have at least one token");
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
