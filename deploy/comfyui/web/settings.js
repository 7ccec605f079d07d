// The pack's entries on ComfyUI's settings page; settings.py reads what is chosen there.
import { app } from "../../scripts/app.js";

app.registerExtension({
  name: "Skelmap.RemotePose",
  settings: [
    {
      id: "Skelmap.Server.URL",
      name: "Pose server: URL",
      tooltip: "POSE_SERVER_URL, where set, goes first. Empty: http://127.0.0.1:8000",
      type: "text",
      defaultValue: "",
    },
    {
      id: "Skelmap.Server.Key",
      name: "Pose server: API key",
      tooltip: "POSE_API_KEY, where set, goes first. Kept in plain text in comfy.settings.json.",
      type: "text",
      attrs: { type: "password" },
      defaultValue: "",
    },
    {
      id: "Skelmap.Server.Timeout",
      name: "Pose server: seconds to wait for an answer",
      tooltip: "POSE_TIMEOUT_S, where set, goes first.",
      type: "number",
      defaultValue: 120,
    },
    {
      id: "Skelmap.Server.DWPreprocessor",
      name: "Stand in for DWPreprocessor (after a restart)",
      tooltip: "For Krita AI Diffusion: replace. POSE_DWPREPROCESSOR, where set, goes first.",
      type: "combo",
      options: [
        { text: "no", value: "no" },
        { text: "where no other pack has it", value: "yes" },
        { text: "replace that of comfyui_controlnet_aux", value: "replace" },
      ],
      defaultValue: "no",
    },
  ],
});
