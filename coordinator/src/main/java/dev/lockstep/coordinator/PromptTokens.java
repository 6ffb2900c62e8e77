package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.ArrayList;
import java.util.List;

/// Tokens of an answer's prompts, from the second on, as their log-probabilities come in.
final class PromptTokens {
    private final int choicesPerPrompt;
    private final List<List<GeneratedToken>> prompts = new ArrayList<>();

    PromptTokens(PreparedRequest request) {
        choicesPerPrompt = request.choicesPerPrompt();
        request.prompts().forEach(_ -> prompts.add(new ArrayList<>()));
    }

    /// Takes what was told of a choice; of a prompt, its first choice is told, before the first
    /// token of any.
    void add(int choice, PositionOutputs outputs) {
        List<GeneratedToken> tokens = of(choice);
        outputs.getNextTokensList().forEach(token -> tokens.add(GeneratedToken.fromProto(token)));
    }

    /// Of the prompt that a choice goes on with.
    List<GeneratedToken> of(int choice) {
        return prompts.get(choice / choicesPerPrompt);
    }
}
