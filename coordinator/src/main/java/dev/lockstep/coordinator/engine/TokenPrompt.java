package dev.lockstep.coordinator.engine;

/// One prompt as the engine takes it; `ids` is written by nobody.
///
/// @param wanted what is wanted of it beside generated tokens
public record TokenPrompt(int[] ids, PromptOutputs wanted) {
    static TokenPrompt of(int[] ids) {
        return new TokenPrompt(ids, PromptOutputs.NONE);
    }

    public int length() {
        return ids.length;
    }
}
