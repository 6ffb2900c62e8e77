package dev.lockstep.coordinator;

import dev.lockstep.cluster.Randomness;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/// Makes [Completion]s of checked requests, for HTTP and gRPC alike.
final class Completions {
    private static final Duration SOON = Duration.ofSeconds(1);

    // What the ids of answers begin with.
    private static final String CHAT = "chatcmpl-";
    private static final String TEXT = "cmpl-";

    private final CompletableFuture<ServedModel> model;
    private final Completion.World world;
    private final Randomness randomness;

    /// What an answer needs to know before it begins.
    ///
    /// @param id of the answer
    /// @param echoes what stands before each choice; empty without `echo`
    record Outline(
            String id, ServedModel model, int choices, int promptTokens, List<String> echoes) {
        Outline {
            echoes = List.copyOf(echoes);
        }
    }

    Completions(
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
    Envelope envelope(String requestId, List<String> tenants) {
        return new Envelope(requestId, tenants, world.clock().nanoTime());
    }

    /// Makes ids of a chat and returns what is left to do: generate, until the answer has heard of
    /// the end.
    Runnable chat(
            ChatRequest request,
            Envelope envelope,
            Inbox inbox,
            Function<Outline, Answer> answers) {
        ServedModel served = model();
        List<int[]> prompts = List.of(served.encode(request.prompt()));
        Completion.Job job =
                new Completion.Job(
                        newId(CHAT),
                        envelope.requestId(),
                        prompts,
                        request.sampling(),
                        request.terms(),
                        requireRoom("messages", prompts),
                        seed(request.sampling()));
        return prepare(job, served, List.of(), inbox, answers);
    }

    /// As [#chat].
    Runnable complete(
            CompletionRequest request,
            Envelope envelope,
            Inbox inbox,
            Function<Outline, Answer> answers) {
        ServedModel served = model();
        List<int[]> prompts = new ArrayList<>();
        List<String> echoes = new ArrayList<>();
        for (CompletionRequest.Prompt prompt : request.prompts()) {
            int[] ids =
                    switch (prompt) {
                        case CompletionRequest.Prompt.Text text ->
                                served.encode(text.text(), request.addSpecialTokens());
                        case CompletionRequest.Prompt.Ids given ->
                                given.ids().stream().mapToInt(Integer::intValue).toArray();
                    };
            prompts.add(ids);
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
                        envelope.requestId(),
                        prompts,
                        request.sampling(),
                        request.terms(),
                        requireRoom("prompt", prompts),
                        seed(request.sampling()));
        return prepare(job, served, echoes, inbox, answers);
    }

    private static String echo(
            CompletionRequest.Prompt prompt, int[] ids, Sampling sampling, ServedModel served) {
        return switch (prompt) {
            case CompletionRequest.Prompt.Text text -> text.text();
            case CompletionRequest.Prompt.Ids given ->
                    served.decode(ids, sampling.skipSpecialTokens());
        };
    }

    /// Nothing is generated, so nobody is asked.
    private Runnable echoOnly(
            CompletionRequest request,
            List<int[]> prompts,
            List<String> echoes,
            Function<Outline, Answer> answers) {
        int promptTokens = prompts.stream().mapToInt(ids -> ids.length).sum();
        int choices = prompts.size() * request.sampling().choices();
        Answer answer =
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
            List<String> echoes,
            Inbox inbox,
            Function<Outline, Answer> answers) {
        Answer answer =
                answers.apply(
                        new Outline(job.id(), served, job.choices(), job.promptTokens(), echoes));
        return new Completion(job, served, world, inbox, answer)::run;
    }

    /// Refuses prompts without a token, or that leave none to generate.
    ///
    /// @return the context they were held against
    private int requireRoom(String field, List<int[]> prompts) {
        int context = context();
        for (int[] ids : prompts) {
            if (ids.length == 0) {
                throw ApiError.invalid(field, field + " is empty, it must have at least one token");
            }
            if (ids.length >= context) {
                throw ApiError.invalid(
                        field,
                        "context_length_exceeded",
                        "%s has %d tokens and the context of the model %d: nothing is left to generate"
                                .formatted(field, ids.length, context));
            }
        }
        return context;
    }
}
