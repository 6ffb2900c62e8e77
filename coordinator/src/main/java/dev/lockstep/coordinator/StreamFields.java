// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

/// The fields that select how the response is sent.
///
/// @param usage whether the last chunk has the usage
/// @param continuousUsage whether every chunk has the usage
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
