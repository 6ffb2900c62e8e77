// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.hub;

/// The error message for a request that a hub refuses: one line with the remedy.
///
/// @param file the requested file; empty if the request was for the model itself
record HubRefusal(HubConfig config, HubName model, String file) {

    /// Returns the message for a status.
    ///
    /// @param code the hub's error code; may be empty
    String line(int status, String code) {
        return switch (status) {
            case 401 -> unknown();
            case 403 -> forbidden();
            case 404 -> absent(code);
            default ->
                    "%s answers %d for %s%s"
                            .formatted(
                                    config.endpoint(),
                                    status,
                                    model,
                                    file.isEmpty() ? "" : "/" + file);
        };
    }

    private String page() {
        return config.endpoint() + "/" + model.repository();
    }

    /// Without a token, a hub answers 401 for both hidden and absent models.
    private String unknown() {
        HubToken token = config.token();
        return token.text().isPresent()
                ? "%s does not accept the token of %s for %s: put a new one there, from %s/settings/tokens"
                        .formatted(config.endpoint(), token.source(), model, config.endpoint())
                : "%s is gated, private or absent: accept its terms at %s and put a token into %s"
                        .formatted(model, page(), token.places());
    }

    private String forbidden() {
        HubToken token = config.token();
        return token.text().isPresent()
                ? "%s is gated: ask for access at %s with the account of the token of %s, which must allow reading it"
                        .formatted(model, page(), token.source())
                : "%s is gated: accept its terms at %s and put a token into %s"
                        .formatted(model, page(), token.places());
    }

    private String absent(String code) {
        if (!file.isEmpty()) {
            return "%s has no file %s".formatted(model, file);
        }
        return code.equals("RevisionNotFound")
                ? "%s has no revision %s: name a branch, a tag or a commit"
                        .formatted(model.repository(), model.revision())
                : "%s has no model %s; a folder, a .gguf file or a known name (%s) may be named, too"
                        .formatted(config.endpoint(), model, KnownModel.names());
    }
}
