package dev.lockstep.model.layer;

/// What follows attention in a layer.
public interface FeedForward {

    /// Adds the layer to the residual and norms it for the next: `step.x()` holds this layer's
    /// input, then the next one's.
    void forward(ForwardStep step, Norm next);
}
