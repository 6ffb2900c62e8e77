package dev.lockstep.model.layer;

/// One layer of a decoder.
///
/// @param attentionNorm stands before attention
/// @param feedForwardNorm stands before the feed-forward
public record DecoderLayer(
        Norm attentionNorm,
        SelfAttention attention,
        Norm feedForwardNorm,
        FeedForward feedForward) {}
