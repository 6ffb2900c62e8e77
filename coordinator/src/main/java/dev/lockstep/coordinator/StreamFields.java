package dev.lockstep.coordinator;

/// How a client wants its answer delivered.
///
/// @param usage a last chunk with the usage
/// @param continuousUsage usage in every chunk
record StreamFields(boolean stream, boolean usage, boolean continuousUsage) {

    static StreamFields parse(Fields fields) {
        boolean stream = fields.flag("stream", false);
        if (!fields.has("stream_options")) {
            return new StreamFields(stream, false, false);
        }
        Fields options = Fields.object("stream_options", fields.value("stream_options"));
        if (!stream) {
            throw ApiError.invalid(
                    "stream_options", "stream_options is given, but stream is not true");
        }
        boolean continuous = options.flag("continuous_usage_stats", false);
        return new StreamFields(true, options.flag("include_usage", false), continuous);
    }
}
