package dev.lockstep.model.layer;

/// How a checkpoint names the matrices of a layer's experts: a tensor for each, or, as in GGUF
/// files, all in one.
///
/// @param prefix of all of them
/// @param gate last part of a gate matrix's name
public record ExpertNames(String prefix, String gate, String up, String down) {

    /// The names of most families.
    public static ExpertNames of(String prefix) {
        return new ExpertNames(prefix, "gate_proj", "up_proj", "down_proj");
    }

    String one(String part, int expert) {
        return "%s.%d.%s.weight".formatted(prefix, expert, part);
    }

    String all(String part) {
        return "%s.%s.weight".formatted(prefix, part);
    }
}
