// Which language to show: the browser's. The style sheet hides the other one (page.css).
document.documentElement.lang = navigator.language || "en";
